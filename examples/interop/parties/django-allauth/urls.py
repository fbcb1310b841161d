from allauth.socialaccount.models import SocialAccount
from django.http import JsonResponse
from django.urls import include, path


def home(request):
    accounts = SocialAccount.objects.filter(user_id=request.user.id)
    return JsonResponse({"accounts": [{"uid": account.uid, "data": account.extra_data} for account in accounts]})


urlpatterns = [path("", home), path("accounts/", include("allauth.urls"))]
