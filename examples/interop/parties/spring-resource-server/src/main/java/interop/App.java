package interop;

import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class App {
    static final String ISSUER = System.getenv("ISSUER"), AUDIENCE = ISSUER;

    public static void main(String[] args) {
        SpringApplication.run(App.class, args);
    }

    @GetMapping("/")
    Object introspected(Authentication user) {
        return Map.of("name", user.getName(), "authorities", user.getAuthorities().toString());
    }

    // The same token by the keys, as docs/protect-an-api.md has it.
    @GetMapping("/keys")
    Object decoded(@RequestHeader("Authorization") String authorization) {
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withIssuerLocation(ISSUER).validateType(false).build();
        decoder.setJwtValidator(JwtValidators.createAtJwtValidator().issuer(ISSUER).audience(AUDIENCE).build());
        return decoder.decode(authorization.substring("Bearer ".length())).getClaims();
    }
}
