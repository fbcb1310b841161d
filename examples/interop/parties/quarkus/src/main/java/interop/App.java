package interop;

import io.quarkus.oidc.UserInfo;
import jakarta.inject.Inject;
import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;

@Path("/")
public class App {
    @Inject
    UserInfo user;

    @GET
    public String user() {
        return user.getUserInfoString();
    }
}
