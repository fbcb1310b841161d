from django.http import JsonResponse
from django.urls import include, path


def home(request):
    user = request.user
    return JsonResponse({"email": getattr(user, "email", None), "username": user.get_username()})


urlpatterns = [path("", home), path("oidc/", include("mozilla_django_oidc.urls"))]
