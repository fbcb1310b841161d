#!/bin/sh
# SecantusDB 0.7.0b3 reads ttl_sweep_seconds from its configuration file and does not use it: the expiry of documents runs every
# 60 seconds. A misspelt key is rejected, so this one looks effective.
# A test that sets 0.5 seconds, and waits a few seconds for an expired document to go, fails.
# Remedy: start the sweep by the command secantusAdmin.pruneTtl, or wait for more than 60 seconds.
set -eu
folder=$(mktemp -d); server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: secantusdb==0.7.0b3 pymongo==4.13.2
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '[storage]\nttl_sweep_seconds = 0.5\n' > config.toml
venv/bin/secantusd-py --config config.toml --host 127.0.0.1 --port "$port" --storage-path data > log 2>&1 &
server=$!
cat > main.py <<'EOF'
import datetime, sys, time
import pymongo

documents = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]), serverSelectionTimeoutMS=30000).test.documents
documents.create_index("due", expireAfterSeconds=0)
hour_ago = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
documents.insert_one({"due": hour_ago})
time.sleep(10)
print("after 10 seconds:", documents.count_documents({}))
documents.database.client.admin.command({"secantusAdmin.pruneTtl": 1})
print("after pruneTtl:", documents.count_documents({}))
EOF
venv/bin/python main.py "$port" | tee seen.txt
cat > want.txt <<'EOF'
after 10 seconds: 1
after pruneTtl: 0
EOF
diff want.txt seen.txt || { echo "CHANGED"; cat log; exit 1; }
