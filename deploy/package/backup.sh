#!/bin/bash
# Makes a backup as docs/backup.md has it, then takes away those that are older than 30 days. It ends well only where the copy is
# whole up to its head: until then nothing old goes. surplusd-backup.timer calls it every night, once somebody has enabled that.
set -euo pipefail

day=/var/backups/surplusd/$(date -u +%F)
install -d -o surplusd -g surplusd -m 700 /var/backups/surplusd "$day"
cd /var/lib/surplusd
install -o surplusd -g surplusd -m 600 journal.head "$day/"        # first: a copy must not be older than its head
runuser -u surplusd -- sqlite3 journal.db ".backup '$day/journal.db'"
tar -C / -czf "$day/etc.tar.gz" etc/surplusd
runuser -u surplusd -- surplusd journal verify /etc/surplusd/site.yaml --journal "$day/journal.db"

find /var/backups/surplusd -mindepth 1 -maxdepth 1 -type d -name '????-??-??' -mtime +30 -exec rm -r {} +
