require "json"
require "omniauth"
require "omniauth_openid_connect"
require "rack/session/cookie"

# An issuer on http, for development.
SWD.url_builder = URI::HTTP
OmniAuth.config.allowed_request_methods = [:get, :post]
OmniAuth.config.silence_get_warning = true
use Rack::Session::Cookie, secret: "a secret of the interoperability test" * 2
{recipe}

run(lambda do |env|
  request = Rack::Request.new(env)
  case request.path_info
  when "/auth/minifed/callback"
    auth = env["omniauth.auth"]
    request.session["user"] = { uid: auth.uid, info: auth.info.to_h }
    [302, { "location" => "/" }, []]
  when "/logout"
    request.session.clear
    [200, {}, ["signed out"]]
  else
    [200, { "content-type" => "application/json" }, [JSON.generate(request.session["user"] || {})]]
  end
end)
