import os

from flask import Flask, redirect, session

app = Flask(__name__)
app.secret_key = "interop"
{recipe}


@app.route("/")
def home():
    return session.get("user") or {}


@app.route("/refresh")
def refresh():
    metadata = oauth.minifed.load_server_metadata()
    with oauth.minifed._get_oauth_client(**metadata) as client:
        tokens = client.refresh_token(metadata["token_endpoint"], refresh_token=session["refresh_token"])
    session["refresh_token"] = tokens["refresh_token"]
    return "refreshed"


app.run(port=int(os.environ["PORT"]), host="localhost")
