from django.contrib.auth import logout
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import include, path
from social_django.models import UserSocialAuth
from social_django.utils import load_strategy


def home(request):
    accounts = UserSocialAuth.objects.filter(user_id=request.user.id)
    return JsonResponse({"email": getattr(request.user, "email", None), "accounts": [account.uid for account in accounts]})


def sign_in(request):
    return HttpResponse(f'<form method="post" action="/login/oidc/"><input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"></form>')


def refresh(request):
    UserSocialAuth.objects.get(user_id=request.user.id).refresh_token(load_strategy())
    return HttpResponse("refreshed")


def sign_out(request):
    logout(request)
    return HttpResponse("signed out")


urlpatterns = [path("", home), path("sign-in", sign_in), path("refresh", refresh), path("logout", sign_out), path("", include("social_django.urls", namespace="social"))]
