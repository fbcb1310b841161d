import os
import uuid

import httpx
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.responses import RedirectResponse
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, CookieTransport, JWTStrategy
from fastapi_users.db.base import BaseUserDatabase

os.environ["STATE_SECRET"] = "a secret of the interoperability test"


class Account:
    def __init__(self, **values):
        self.__dict__.update(values)


class User:
    def __init__(self, **values):
        self.id, self.is_active, self.is_superuser, self.is_verified, self.oauth_accounts = uuid.uuid4(), True, False, False, []
        self.__dict__.update(values)


class Users(BaseUserDatabase):
    """A database in memory."""

    everyone = {}

    async def get(self, id):
        return self.everyone.get(id)

    async def get_by_email(self, email):
        return next((user for user in self.everyone.values() if user.email == email), None)

    async def get_by_oauth_account(self, oauth, account_id):
        return next((user for user in self.everyone.values() for of in user.oauth_accounts if of.account_id == account_id), None)

    async def create(self, values):
        user = User(**values)
        self.everyone[user.id] = user
        return user

    async def add_oauth_account(self, user, values):
        user.oauth_accounts.append(Account(id=uuid.uuid4(), **values))
        return user

    async def update_oauth_account(self, user, account, values):
        account.__dict__.update(values)
        return user


class Manager(UUIDIDMixin, BaseUserManager):
    reset_password_token_secret = verification_token_secret = os.environ["STATE_SECRET"]


async def manager():
    yield Manager(Users())


auth_backend = AuthenticationBackend("cookie", CookieTransport(cookie_secure=False), lambda: JWTStrategy(os.environ["STATE_SECRET"], 3600))
fastapi_users = FastAPIUsers(manager, [auth_backend])
app = FastAPI()
{recipe}


@app.get("/")
async def home(user=Depends(fastapi_users.current_user())):
    return {"email": user.email, "accounts": [account.account_id for account in user.oauth_accounts]}


@app.get("/refresh")
async def refresh(user=Depends(fastapi_users.current_user())):
    return await minifed.refresh_token(user.oauth_accounts[0].refresh_token)


@app.get("/login")
async def login():
    async with httpx.AsyncClient() as http:
        begun = await http.get(os.environ["APPLICATION"] + "/auth/minifed/authorize")
    response = RedirectResponse(begun.json()["authorization_url"])
    for cookie in begun.headers.get_list("set-cookie"):
        response.headers.append("set-cookie", cookie)
    return response


uvicorn.run(app, host="localhost", port=int(os.environ["PORT"]))
