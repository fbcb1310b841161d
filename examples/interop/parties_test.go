//go:build interop

package interop

import "time"

// parties are the relying parties that the test runs, in the order of the table.
func parties() []party {
	var all []party
	for _, some := range [][]party{javaParties(), nodeParties(), pythonParties(), otherParties(), browserParties()} {
		all = append(all, some...)
	}
	return all
}

func nodeParties() []party {
	return []party{
		{
			name: "authjs", install: node("authjs"), command: []string{"node", "app.js"},
			edits: []string{
				`import NextAuth from "next-auth"`, "",
				"export const { handlers, auth, signIn, signOut } = NextAuth({", "export const config = ({",
			},
			signIn: "/api/auth/signin", press: "/signin/minifed", user: "/", logout: "/api/auth/signout", pressLogout: "/signout",
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
		{
			name: "next-auth", install: node("next-auth"), command: []string{"env", "NEXTAUTH_URL={application}", "NEXTAUTH_SECRET=interop", "node", "app.js"},
			edits:  []string{`import NextAuth from "next-auth"`, "import module from \"next-auth\"\nconst NextAuth = module.default"},
			signIn: "/api/auth/signin", press: "/signin/minifed", user: "/", logout: "/api/auth/signout", pressLogout: "/signout",
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
		{
			name: "openid-client", install: node("openid-client"), command: []string{"node", "app.js"},
			edits:  []string{"\")\n\n// At the start", "\", undefined, { execute: [client.allowInsecureRequests] })\n\n// At the start"},
			signIn: "/login", user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "better-auth", install: node("better-auth"), command: []string{"env", "BETTER_AUTH_SECRET=a secret of the interoperability test", "node", "app.js"},
			signIn: "/login", user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, placeholderNeeded, true, loggedOutLocally},
		},
		{
			name: "express-openid-connect", install: node("express-openid-connect"), command: []string{"node", "app.cjs"},
			signIn: "/login", user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "fastify-oauth2", install: node("fastify-oauth2"), command: []string{"node", "app.cjs"},
			signIn: "/login", refresh: "/refresh",
			expected: result{profileShown, signInWorks, true, noLogout},
		},
		{
			name: "passport-openidconnect", install: node("passport-openidconnect"), command: []string{"node", "app.cjs"},
			signIn: "/login", user: "/", logout: "/logout",
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
	}
}

func pythonParties() []party {
	return []party{
		{
			name: "mozilla-django-oidc", install: python("mozilla-django-oidc"), command: django(),
			signIn: "/oidc/authenticate/", user: "/", logout: "/oidc/logout/",
			expected: result{profileShown, placeholderNeeded, false, loggedOutLocally},
		},
		{
			name: "django-allauth", install: python("django-allauth"), command: django(),
			signIn: "/accounts/oidc/minifed/login/", press: anyForm, user: "/", logout: "/accounts/logout/", pressLogout: anyForm,
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
		{
			name: "social-auth", install: python("social-auth"), command: django(),
			signIn: "/sign-in", press: anyForm, user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutLocally},
		},
		{
			name: "authlib", install: python("authlib"), command: []string{"../venv/bin/python", "app.py"},
			signIn: "/login", user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "flask-oidc", install: python("flask-oidc"), command: []string{"../venv/bin/python", "app.py"},
			signIn: "/", logout: "/logout", refresh: "/refresh",
			expected: result{profileShown, signInWorks, true, loggedOutLocally},
		},
		{
			name: "fastapi-users", install: python("fastapi-users"), command: []string{"../venv/bin/python", "app.py"},
			signIn: "/login", user: "/", refresh: "/refresh",
			expected: result{profileShown, placeholderNeeded, true, noLogout},
		},
	}
}

func javaParties() []party {
	jar := []string{"java", "-jar", "target/app.jar"}
	return []party{
		{
			name: "spring-boot", install: maven("spring-boot"), build: mavenPackage(), command: jar,
			signIn: "/", refresh: "/refresh", logout: "/logout", pressLogout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "spring-resource-server", install: maven("spring-resource-server"), build: mavenPackage(), command: jar,
			bearer: true, signIn: "/", user: "/keys",
			expected: result{"", signInWorks, false, noLogout},
		},
		{
			name: "quarkus", install: maven("quarkus"), build: mavenPackage(), command: []string{"java", "-jar", "target/quarkus-app/quarkus-run.jar"},
			signIn: "/", refresh: "/", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "micronaut", install: maven("micronaut"), build: mavenPackage("dependency:copy-dependencies", "-DincludeScope=runtime"),
			command: []string{"java", "-cp", "target/classes:target/dependency/*", "interop.App"},
			signIn:  "/oauth/login/minifed", user: "/", logout: "/logout",
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
		{
			name: "pac4j", install: maven("pac4j"), build: mavenPackage("dependency:copy-dependencies", "-DincludeScope=runtime"),
			command: []string{"java", "-cp", "target/classes:target/dependency/*", "interop.App"},
			signIn:  "/user", logout: "/logout",
			expected: result{profileShown, signInWorks, false, loggedOutEverywhere},
		},
	}
}

func otherParties() []party {
	return []party{
		{
			name: "go-oidc", install: folder("go", "go-oidc"), build: []string{"go", "build", "-mod=mod", "-o", "app", "."}, command: []string{"./app"},
			signIn: "/login", user: "/", refresh: "/refresh", logout: "/logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "omniauth", debianPackage: "ruby-omniauth-openid-connect",
			install: debian("omniauth", "/usr/share/doc/ruby-omniauth-openid-connect", "ruby-omniauth-openid-connect", "ruby-rack", "ruby-webrick"),
			command: []string{"rackup", "--server", "webrick", "--host", "localhost", "--port", "{port}", "--env", "production"},
			signIn:  "/auth/minifed", user: "/", logout: "/logout",
			expected: result{profileShown, signInWorks, false, loggedOutLocally},
		},
		{
			name: "oauth2-proxy", version: "7.15.6", install: goProgram("oauth2-proxy", "github.com/oauth2-proxy/oauth2-proxy/v7@v7.15.6"),
			command: []string{"../bin/oauth2-proxy", "--config", "oauth2-proxy.cfg"},
			edits:   []string{"COOKIE_SECRET", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
			signIn:  "/oauth2/start", user: "/oauth2/userinfo", refresh: "/", wait: 2 * time.Second, logout: "/oauth2/sign_out",
			expected: result{signInWorks, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "mod_auth_openidc", debianPackage: "libapache2-mod-auth-openidc", install: debian("mod_auth_openidc", "/usr/lib/apache2/modules/mod_auth_openidc.so", "apache2-bin", "libapache2-mod-auth-openidc"),
			command: apache(),
			edits:   []string{"PASSPHRASE", "interop-passphrase"},
			signIn:  "/", user: "/oidc/callback?info=json", refresh: "/oidc/callback?info=json&access_token_refresh_interval=1", wait: 2 * time.Second,
			logout:   "/oidc/callback?logout={application}/",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "mod_auth_openidc-api", debianPackage: "libapache2-mod-auth-openidc",
			install: debian("mod_auth_openidc-api", "/usr/lib/apache2/modules/mod_auth_openidc.so", "apache2-bin", "libapache2-mod-auth-openidc"),
			// An address on http is a syntax error.
			edits:   []string{"OIDCOAuthIntrospectionEndpoint ", "OIDCOAuthSSLValidateServer Off\nOIDCOAuthIntrospectionEndpoint {secure}/oauth2/introspect\n# "},
			command: apache(), bearer: true, signIn: "/",
			expected: result{"", signInWorks, false, noLogout},
		},
	}
}

// apache starts Apache with the configuration of the folder.
func apache() []string {
	return []string{"/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "{folder}/apache.conf"}
}

func browserParties() []party {
	return []party{
		{
			name: "oidc-client-ts", install: node("oidc-client-ts"), command: []string{"node", "../serve.js", "app.ts"},
			scripts: true, signIn: "/?login", refresh: "/?refresh", logout: "/?logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
		{
			name: "react-oidc-context", install: node("react-oidc-context"), command: []string{"node", "../serve.js", "app.tsx"},
			scripts: true, signIn: "/?login", refresh: "/?refresh", logout: "/?logout",
			expected: result{profileShown, signInWorks, true, loggedOutEverywhere},
		},
	}
}
