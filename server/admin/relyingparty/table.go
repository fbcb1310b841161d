package relyingparty

import "github.com/minifed/minifed/storage"

// All returns the rows of the table in the order in which they are listed.
func All() []Party {
	var parties []Party
	for _, rows := range [][]Party{javaParties(), javaScriptParties(), pythonParties(), otherParties(), browserParties(), programs(), tools()} {
		parties = append(parties, rows...)
	}
	return parties
}

// CannotWork returns relying parties that are asked for and cannot work.
func CannotWork() []Unsupported {
	return []Unsupported{{
		Name: "auth0-spa-js", Title: "auth0-spa-js",
		Reason: Note{
			"It requests fixed paths of Auth0 and reads no discovery document. Use `oidc-client-ts`.",
			"它固定请求 Auth0 的路径，不读取发现文档。请改用 `oidc-client-ts`。",
		},
	}}
}

func javaParties() []Party {
	return []Party{
		{
			Name: "spring-boot", Title: "Spring Boot", Version: "4.1.2", Kind: storage.ClientWeb,
			Redirects: []string{"/login/oauth2/code/minifed"}, PostLogout: "/", BackchannelLogout: "/logout/connect/back-channel/minifed",
			File: "application.yaml", Language: "yaml",
			Note: Note{
				"`minifed` is the registration ID, which is part of both paths. `OidcClientInitiatedLogoutSuccessHandler` ends the session at minifed too. Back-channel logout needs `oidcLogout(logout -> logout.backChannel(withDefaults()))`.",
				"`minifed` 是注册 ID，两个路径都包含它。`OidcClientInitiatedLogoutSuccessHandler` 会同时结束 minifed 的会话。后端通道登出需要 `oidcLogout(logout -> logout.backChannel(withDefaults()))`。",
			},
		},
		{
			Name: "spring-resource-server", Title: "Spring Security (resource server)", Version: "7.1.2", Kind: storage.ClientService, Introspection: true,
			File: "application.yaml", Language: "yaml",
			Note: Note{
				"It introspects every token, so a token that was revoked is rejected at once. With `issuer-uri` instead, it rejects the header `at+jwt`: give the other clients `--access-token-type JWT`.",
				"它对每个令牌做内省，因此被吊销的令牌立即被拒绝。如果改用 `issuer-uri`，它不接受头部 `at+jwt`：请给其他客户端设置 `--access-token-type JWT`。",
			},
		},
		{
			Name: "quarkus", Title: "Quarkus", Version: "3.33.2", Kind: storage.ClientWeb, Redirects: []string{"/callback"}, PostLogout: "/",
			File: "application.properties", Language: "properties",
		},
		{
			Name: "micronaut", Title: "Micronaut", Version: "4.10.8", Kind: storage.ClientWeb, Redirects: []string{"/oauth/callback/minifed"},
			File: "application.yml", Language: "yaml",
		},
		{
			Name: "pac4j", Title: "pac4j", Version: "6.5.5", Kind: storage.ClientWeb, Redirects: []string{"/callback?client_name=OidcClient"}, PostLogout: "/",
			SendsPKCE: true, File: "SecurityConfig.java", Language: "java",
			Note: Note{
				"`setCentralLogout(true)` of the logout filter or handler ends the session at minifed too.",
				"登出过滤器（或处理器）的 `setCentralLogout(true)` 会同时结束 minifed 的会话。",
			},
		},
	}
}

func javaScriptParties() []Party {
	return []Party{
		{
			Name: "authjs", Title: "Auth.js", Version: "5 (@auth/express 0.12.3)", Kind: storage.ClientWeb,
			Redirects: []string{"/api/auth/callback/minifed"}, SendsPKCE: true, File: "auth.ts", Language: "ts",
			Note: Note{
				"The variable `AUTH_SECRET` must be set. `@auth/express` has the path `/auth/callback/minifed`: name it by `--redirect-uri`.",
				"必须设置环境变量 `AUTH_SECRET`。`@auth/express` 的路径是 `/auth/callback/minifed`：请用 `--redirect-uri` 指定。",
			},
		},
		{
			Name: "next-auth", Title: "NextAuth.js", Version: "4.24.15", Kind: storage.ClientWeb, Redirects: []string{"/api/auth/callback/minifed"},
			SendsPKCE: true, File: "pages/api/auth/[...nextauth].ts", Language: "ts",
			Note: Note{"The variables `NEXTAUTH_URL` and `NEXTAUTH_SECRET` must be set.", "必须设置环境变量 `NEXTAUTH_URL` 和 `NEXTAUTH_SECRET`。"},
		},
		{
			Name: "openid-client", Title: "openid-client (Node.js)", Version: "6.9.0", Kind: storage.ClientWeb, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, SecretInBody: true, File: "sign-in.js", Language: "js",
			Note: Note{
				"With an issuer on http, for development alone, add `{ execute: [client.allowInsecureRequests] }` to the discovery.",
				"颁发者使用 http 时（仅限开发环境），给 discovery 加上 `{ execute: [client.allowInsecureRequests] }`。",
			},
		},
		{
			Name: "better-auth", Title: "Better Auth", Version: "1.7.25", Kind: storage.ClientWeb, Redirects: []string{"/api/auth/callback/minifed"},
			SendsPKCE: true, SecretInBody: true, NeedsEmail: true, File: "auth.ts", Language: "ts",
		},
		{
			Name: "express-openid-connect", Title: "express-openid-connect", Version: "3.4.0", Kind: storage.ClientWeb, Redirects: []string{"/callback"}, PostLogout: "/",
			File: "app.js", Language: "js",
		},
		{
			Name: "fastify-oauth2", Title: "@fastify/oauth2", Version: "8.3.0", Kind: storage.ClientWeb, Redirects: []string{"/callback"},
			SendsPKCE: true, File: "app.js", Language: "js",
		},
		{
			Name: "passport-openidconnect", Title: "passport-openidconnect", Version: "0.1.2", Kind: storage.ClientWeb, Redirects: []string{"/callback"},
			SecretInBody: true, File: "app.js", Language: "js",
		},
	}
}

func pythonParties() []Party {
	return []Party{
		{
			Name: "mozilla-django-oidc", Title: "mozilla-django-oidc", Version: "5.0.2", Kind: storage.ClientWeb, Redirects: []string{"/oidc/callback/"},
			SecretInBody: true, NeedsEmail: true, File: "settings.py", Language: "python",
		},
		{
			Name: "django-allauth", Title: "django-allauth", Version: "65.22.1", Kind: storage.ClientWeb, Redirects: []string{"/accounts/oidc/minifed/login/callback/"},
			SecretInBody: true, File: "settings.py", Language: "python",
		},
		{
			Name: "social-auth", Title: "Python Social Auth (Django)", Version: "social-auth-core 7.0.0", Kind: storage.ClientWeb, Redirects: []string{"/complete/oidc/"},
			SecretInBody: true, File: "settings.py", Language: "python",
			Note: Note{
				"A sign-in begins with a form: `<form method=\"post\" action=\"/login/oidc/\">{% csrf_token %}<button>minifed</button></form>`.",
				"登录从一个表单开始：`<form method=\"post\" action=\"/login/oidc/\">{% csrf_token %}<button>minifed</button></form>`。",
			},
		},
		{
			Name: "authlib", Title: "Authlib (Flask)", Version: "1.9.10", Kind: storage.ClientWeb, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "app.py", Language: "python",
		},
		{
			Name: "flask-oidc", Title: "Flask-OIDC", Version: "2.4.0", Kind: storage.ClientWeb, Redirects: []string{"/authorize"},
			SecretInBody: true, File: "app.py", Language: "python",
		},
		{
			Name: "fastapi-users", Title: "FastAPI Users", Version: "15.0.5", Kind: storage.ClientWeb, Redirects: []string{"/auth/minifed/callback"},
			SecretInBody: true, NeedsEmail: true, File: "app.py", Language: "python",
		},
	}
}

func otherParties() []Party {
	return []Party{
		{
			Name: "go-oidc", Title: "go-oidc and x/oauth2 (Go)", Version: "3.21.0", Kind: storage.ClientWeb, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "main.go", Language: "go",
		},
		{
			Name: "omniauth", Title: "OmniAuth (Ruby, gitlab-omniauth-openid-connect)", Version: "0.10.0", Kind: storage.ClientWeb, Redirects: []string{"/auth/minifed/callback"},
			File: "config.ru", Language: "ruby",
			Note: Note{
				"With an issuer on http, for development alone, add `SWD.url_builder = URI::HTTP`.",
				"颁发者使用 http 时（仅限开发环境），加上 `SWD.url_builder = URI::HTTP`。",
			},
		},
		{
			Name: "openidconnect-rs", Title: "openidconnect (Rust)", Version: "4.1", Kind: storage.ClientWeb, Redirects: []string{"/callback"},
			SendsPKCE: true, File: "main.rs", Language: "rust",
		},
		{
			Name: "axum-oidc", Title: "axum-oidc (Rust)", Version: "0.6.0", Kind: storage.ClientWeb, Redirects: []string{"/"},
			SendsPKCE: true, File: "main.rs", Language: "rust",
			Note: Note{
				"The redirect URI is the path that the user opened: register each protected path by `--redirect-uri`.",
				"重定向 URI 是用户打开的路径：请用 `--redirect-uri` 登记每个受保护的路径。",
			},
		},
	}
}

// browserParties are libraries of single-page apps.
func browserParties() []Party {
	return []Party{
		{
			Name: "oidc-client-ts", Title: "oidc-client-ts", Version: "3.5.0", Kind: storage.ClientSPA, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "auth.ts", Language: "ts",
		},
		{
			Name: "react-oidc-context", Title: "react-oidc-context", Version: "3.3.1", Kind: storage.ClientSPA, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "main.tsx", Language: "tsx",
		},
		{
			Name: "angular-auth-oidc-client", Title: "angular-auth-oidc-client", Version: "22.0.1", Kind: storage.ClientSPA, Redirects: []string{"/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "app.config.ts", Language: "ts",
		},
		{
			Name: "appauth-js", Title: "AppAuth-JS", Version: "1.4", Kind: storage.ClientSPA, Redirects: []string{"/callback"},
			SendsPKCE: true, File: "auth.js", Language: "js",
		},
	}
}

// programs are servers that people sign in to.
func programs() []Party {
	return []Party{
		{
			Name: "oauth2-proxy", Title: "oauth2-proxy", Version: "7.15.6", Kind: storage.ClientWeb, Redirects: []string{"/oauth2/callback"},
			SendsPKCE: true, BackendLogout: true, File: "oauth2-proxy.cfg", Language: "toml",
			Note: Note{
				"Users sign out at `/oauth2/sign_out`. Its e-mail address of a user is the subject, because not every user has an address.",
				"用户在 `/oauth2/sign_out` 登出。它把 subject 当作用户的邮箱，因为并非每个用户都有邮箱。",
			},
		},
		{
			Name: "mod_auth_openidc", Title: "mod_auth_openidc (Apache)", Version: "2.4.12", Kind: storage.ClientWeb, Redirects: []string{"/oidc/callback"}, PostLogout: "/",
			SendsPKCE: true, File: "openidc.conf", Language: "apache",
			Note: Note{
				"The redirect URI is a path below the protected location that no page has. Users sign out at `/oidc/callback?logout=https%3A%2F%2Fapp.example.com%2F`, with your address.",
				"重定向 URI 必须位于受保护的路径之下，并且没有页面使用它。用户在 `/oidc/callback?logout=https%3A%2F%2Fapp.example.com%2F` 登出，其中的地址换成你自己的。",
			},
		},
		{
			Name: "mod_auth_openidc-api", Title: "mod_auth_openidc (Apache, resource server)", Version: "2.4.12", Kind: storage.ClientService, Introspection: true,
			File: "openidc.conf", Language: "apache",
			Note: Note{
				"It introspects the token of each request, so a token that was revoked is rejected at once.",
				"它对每个请求的令牌做内省，因此被吊销的令牌立即被拒绝。",
			},
		},
		{
			Name: "caddy-security", Title: "caddy-security", Version: "1.1.64", Kind: storage.ClientWeb,
			Redirects: []string{"/auth/oauth2/minifed/authorization-code-callback"}, SecretInBody: true, File: "Caddyfile", Language: "text",
			Note: Note{
				"The portal is at `/auth`. A directory that signs with EdDSA or PS256 as well stops its start.",
				"门户位于 `/auth`。目录如果还用 EdDSA 或 PS256 签名，它无法启动。",
			},
		},
		{
			Name: "dex", Title: "Dex (connector oidc)", Kind: storage.ClientWeb, Redirects: []string{"/callback"},
			File: "dex.yaml", Language: "yaml",
			Note: Note{
				"The address is Dex's own issuer. The scope `email` is left out, because Dex then rejects users without an address.",
				"应用地址是 Dex 自己的颁发者。没有请求 `email`，否则 Dex 会拒绝没有邮箱的用户。",
			},
		},
		{
			Name: "gitea", Title: "Gitea", Version: "1.26.2", Kind: storage.ClientWeb, Redirects: []string{"/user/oauth2/minifed/callback"},
			NeedsEmail: true, File: "terminal", Language: "text",
		},
		{
			Name: "jupyterhub", Title: "JupyterHub", Kind: storage.ClientWeb, Redirects: []string{"/hub/oauth_callback"},
			File: "jupyterhub_config.py", Language: "python",
		},
		{
			Name: "minio", Title: "MinIO", Kind: storage.ClientWeb, Redirects: []string{"/oauth_callback"}, File: "environment", Language: "text",
			Note: Note{
				"The address is that of MinIO's console. Each user gets the policy that `MINIO_IDENTITY_OPENID_ROLE_POLICY` names.",
				"应用地址是 MinIO 控制台的地址。每个用户都得到 `MINIO_IDENTITY_OPENID_ROLE_POLICY` 指定的策略。",
			},
		},
		{
			Name: "pgadmin", Title: "pgAdmin", Kind: storage.ClientWeb, Redirects: []string{"/oauth2/authorize"},
			File: "config_local.py", Language: "python",
		},
		{
			Name: "synapse", Title: "Synapse (Matrix)", Kind: storage.ClientWeb, Redirects: []string{"/_synapse/client/oidc/callback"},
			File: "homeserver.yaml", Language: "yaml",
		},
		{
			Name: "dovecot", Title: "Dovecot", Version: "2.3.19.1", Kind: storage.ClientService, Introspection: true, SecretInBody: true,
			File: "dovecot-oauth2.conf.ext", Language: "text",
		},
	}
}

// tools are programs on the machine of their user.
func tools() []Party {
	return []Party{
		{
			Name: "kubernetes", Title: "Kubernetes (kubelogin)", Version: "kube-apiserver 0.37", Kind: storage.ClientNative,
			Redirects: []string{"http://localhost:8000"}, SendsPKCE: true, File: "terminal", Language: "text",
			Note: Note{
				"The issuer must be https. The port of the redirect URI may differ.",
				"颁发者必须使用 https。重定向 URI 的端口可以不同。",
			},
		},
		{
			Name: "vault", Title: "HashiCorp Vault", Version: "jwt plugin 0.26", Kind: storage.ClientWeb,
			Redirects: []string{"http://localhost:8250/oidc/callback", "/ui/vault/auth/oidc/oidc/callback"}, SendsPKCE: true, File: "terminal", Language: "text",
			Note: Note{
				"`bound_claims amr=wechat_miniapp` limits a role to users of a mini-program.",
				"`bound_claims amr=wechat_miniapp` 让一个角色只对小程序用户有效。",
			},
		},
		{
			Name: "oidc-agent", Title: "oidc-agent", Version: "4.2.6", Kind: storage.ClientWeb,
			Redirects: []string{"http://localhost:43985", "http://localhost:8080", "http://localhost:4242"}, File: "terminal", Language: "text",
			Note: Note{
				"Without `--pw-store`, it loses a refresh token at a restart.",
				"没有 `--pw-store` 时，它重启后会丢失刷新令牌。",
			},
		},
	}
}
