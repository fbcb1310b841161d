import os

from flask import Flask, redirect, session
from flask_oidc import OpenIDConnect

app = Flask(__name__)
app.secret_key = "interop"
{recipe}


@app.route("/")
@oidc.require_login
def home():
    return session["oidc_auth_profile"]


@app.route("/refresh")
def refresh():
    session["oidc_auth_token"] = {**session["oidc_auth_token"], "expires_at": 1}
    return redirect("/")


app.run(port=int(os.environ["PORT"]), host="localhost")
