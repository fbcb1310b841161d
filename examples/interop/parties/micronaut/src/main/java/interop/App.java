package interop;

import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.runtime.Micronaut;
import io.micronaut.security.annotation.Secured;
import io.micronaut.security.authentication.Authentication;
import io.micronaut.security.rules.SecurityRule;
import java.util.Map;

@Controller
@Secured(SecurityRule.IS_AUTHENTICATED)
public class App {
    public static void main(String[] args) {
        Micronaut.run(App.class, args);
    }

    @Get
    public Map<String, Object> user(Authentication user) {
        return user.getAttributes();
    }
}
