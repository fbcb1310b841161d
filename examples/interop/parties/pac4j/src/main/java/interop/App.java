package interop;

import jakarta.servlet.Filter;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;
import org.pac4j.core.config.Config;
import org.pac4j.core.context.FrameworkParameters;
import org.pac4j.core.profile.ProfileManager;
import org.pac4j.jee.context.JEEContext;
import org.pac4j.jee.context.session.JEESessionStore;
import org.pac4j.jee.filter.CallbackFilter;
import org.pac4j.jee.filter.LogoutFilter;
import org.pac4j.jee.filter.SecurityFilter;
import org.pac4j.oidc.client.OidcClient;
import org.pac4j.oidc.config.OidcConfiguration;

public class App {
    public static void main(String[] args) throws Exception {
        {recipe}
        var tomcat = new Tomcat();
        tomcat.setBaseDir("target");
        tomcat.setPort(Integer.parseInt(System.getenv("PORT")));
        tomcat.getConnector();
        Context context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "home", new Home());
        context.addServletMappingDecoded("/", "home");
        var logout = new LogoutFilter(config, "/");
        logout.setCentralLogout(true);
        map(context, "callback", new CallbackFilter(config), "/callback");
        map(context, "logout", logout, "/logout");
        map(context, "security", new SecurityFilter(config, "OidcClient"), "/user");
        tomcat.start();
        tomcat.getServer().await();
    }

    static void map(Context context, String name, Filter filter, String path) {
        var definition = new FilterDef();
        definition.setFilterName(name);
        definition.setFilter(filter);
        context.addFilterDef(definition);
        var map = new FilterMap();
        map.setFilterName(name);
        map.addURLPattern(path);
        context.addFilterMap(map);
    }

    static class Home extends HttpServlet {
        @Override
        protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
            var profile = new ProfileManager(new JEEContext(request, response), new JEESessionStore()).getProfile();
            response.getWriter().println(profile.map(Object::toString).orElse("nobody"));
        }
    }
}
