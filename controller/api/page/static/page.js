// The page: signs in, follows the site once a second, and says so when it hears nothing.
import { know, post, show_acts } from "./acts.js";
import { show_card } from "./card.js";
import { add_to_chart, begin_chart } from "./chart.js";
import { show_devices } from "./heat.js";
import { show_agents, show_figures, show_meters, show_orders, show_records, show_today, show_tree, show_work } from "./parts.js";
import { figure, lang, put, say, span_text, words } from "./tools.js";

// What is older than this is not shown as of now any more.
const OLD_S = 4;
const id = (name) => document.getElementById(name);
let tree = null, columns = null, told = null, who = null, stream = null, heard_s = 0;

const now_s = () => performance.now() / 1000;

const news = (state, ...inside) => {
  document.body.className = state;
  put(id("news"), ...inside);
};

const enter = () => {
  stream?.close();
  stream = null;
  heard_s = 0;
  id("main").hidden = id("who").hidden = true;
  id("enter").hidden = false;
  news("waiting", words.signed_out);
  id("token").focus();
};

const get = async (path) => {
  const answer = await fetch(path, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
};

const arrange = (made) => {
  made.of_agent = made.agents.map(() => []);
  made.agent.forEach((agent, d) => made.of_agent[agent].push(d));
  made.sequence = made.of_agent.flat();
  // Each node directly behind what it hangs on.
  const below = made.nodes.map(() => []), walk = (n, depth) => [{ n, depth }, ...below[n].flatMap((each) => walk(each, depth + 1))];
  made.parents.forEach((above, n) => above >= 0 && below[above].push(n));
  made.walk = walk(0, 0);
  return made;
};

const show = () => {
  if (!told || !tree) return;
  const root = tree.nodes[0], { status } = told;
  id("main").hidden = false;
  know(told);
  show_card(told);
  show_figures(told, root);
  show_orders(told);
  show_tree(told, tree);
  show_agents(told, tree, columns);
  show_meters(told);
  show_today(told);
  show_work(told);
  show_acts(told, who?.role);
  add_to_chart(told.utc_s, status.site_w ?? null, status.nodes[root]?.envelope_w ?? null, status.surplus_w ?? null);
};

const tick = () => {
  const silent_s = now_s() - heard_s;
  if (heard_s && silent_s > OLD_S) news("old", say(words.old, { time: figure(span_text(silent_s)) }));
};

const on = (name, take) => stream.addEventListener(name, (event) => take(JSON.parse(event.data)));

const follow = () => {
  stream?.close();
  stream = new EventSource(`page/stream?lang=${lang}`);
  on("now", (given) => {
    told = given;
    show();
    // What cannot be shown is not heard.
    heard_s = now_s();
    if (document.body.className !== "live") news("live", words.live);
  });
  on("devices", (given) => {
    // These are other devices: another site file is led.
    if (given.mark !== tree.mark) return location.reload();
    columns = given;
    show_devices(tree, columns);
    show();
  });
  on("records", show_records);
  // A browser that is refused does not ask again by itself.
  stream.addEventListener("error", () => {
    if (stream?.readyState === EventSource.CLOSED) setTimeout(begin, 5000);
  });
};

const begin = async () => {
  try {
    who = await get("page/session");
    if (!who.role) {
      enter();
      return;
    }
    put(id("name"), who.name);
    id("who").hidden = false;
    // Of a large site this is long, and it never changes.
    tree ??= arrange(await get("page/devices"));
    id("enter").hidden = true;
    follow();
    await begin_chart(await get("page/course"));
  } catch (error) {
    news("old", words.no_answer);
    setTimeout(begin, 2000);
    throw error;
  }
};

id("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("page/session", { token: id("token").value.trim() }).catch(() => null);
  put(id("refused"), !answer ? words.no_answer : answer.ok ? "" : answer.status === 401 ? words.wrong_token : `HTTP ${answer.status}`);
  if (answer?.ok) {
    id("token").value = "";
    await begin();
  }
});
id("leave").addEventListener("click", async () => {
  await post("page/session/end", {});
  enter();
});
setInterval(tick, 1000);
begin();
