"""The command line: which verb is meant, what stands there alone, what a shell completes."""

from __future__ import annotations

import subprocess

import pytest

from controller import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["statsu"], "there is no verb 'statsu'; did you mean status?"),
        (["order", "lsit"], "there is no verb 'lsit'; did you mean list?"),
        (["trip", "xyzzy"], "there is no verb 'xyzzy'; the verbs are reset"),
        (["completion", "fish"], "invalid choice: 'fish'"),
    ],
)
def test_of_a_verb_that_is_not_there_the_nearest_is_named(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_alone_it_prints_the_verbs(capsys):
    assert cli.main([]) == 0
    said = capsys.readouterr().out
    for verb in ("run", "status", "top", "doctor", "journal", "completion"):
        assert f"\n    {verb} " in said


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["st"], {"status", "stop"}),
        (["order", "s"], {"send", "show"}),
        (["--", "order", "re"], {"release"}),
        (["journal", "show", "--la"], {"--last"}),
        (["status", "--site", "site.yaml", "--js"], {"--json"}),
    ],
)
def test_bash_completes_verbs_and_options(typed, completed, capsys):
    cli.main(["completion", "bash"])
    script = capsys.readouterr().out
    line = f'COMP_WORDS=(surplusd "$@"); COMP_CWORD={len(typed)}; _surplusd; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{line}", "bash", *typed], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == completed
    assert done.stderr == ""


def test_zsh_takes_the_same_script(capsys):
    cli.main(["completion", "zsh"])
    assert capsys.readouterr().out.startswith("autoload -U +X bashcompinit && bashcompinit\n_surplusd() {")
