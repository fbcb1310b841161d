package example;

import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.http.converter.HttpMessageNotReadableException;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.ResourceAccessException;
import org.springframework.web.client.RestClient;

/** The backend of a mini-program. It has the client's secret, and serves the paths of the kit. */
@SpringBootApplication
@RestController
public class Backend {

    private static final String FEDERATION = "/federation/wechat/miniapp/";

    private static final Map<String, List<String>> BINDINGS = Map.of(
            "register", List.of("method", "code", "bind_ticket", "user"),
            "phone", List.of("method", "code", "bind_ticket", "phone_code"),
            "password", List.of("method", "code", "bind_ticket", "username", "password"),
            "session", List.of("method", "code", "bind_ticket", "access_token"));

    private static final Map<String, List<String>> SCANS = Map.of(
            "seen", List.of("scene", "attempt"),
            "approve", List.of("scene", "code", "number", "confirmed"),
            "deny", List.of("scene"));

    private final RestClient minifed;
    private final String authorization;

    public Backend(
            @Value("${MINIFED_ISSUER}") String issuer,
            @Value("${MINIFED_CLIENT_ID}") String clientId,
            @Value("${MINIFED_CLIENT_SECRET_FILE}") Path secretFile) throws Exception {
        // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
        authorization = "Basic " + HttpHeaders.encodeBasicAuth(encoded(clientId), encoded(Files.readString(secretFile).trim()), StandardCharsets.UTF_8);
        var requests = new JdkClientHttpRequestFactory(HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build());
        requests.setReadTimeout(Duration.ofSeconds(20));
        // A response with an error goes to the mini-program like any other.
        minifed = RestClient.builder().baseUrl(issuer).requestFactory(requests).defaultStatusHandler(status -> true, (request, response) -> {}).build();
    }

    public static void main(String[] args) {
        SpringApplication.run(Backend.class, args);
    }

    @PostMapping("/auth/login")
    ResponseEntity<byte[]> login(@RequestBody Map<String, Object> body) {
        return post("profile", pick(body, List.of("code", "user")));
    }

    @PostMapping("/auth/phone")
    ResponseEntity<byte[]> phone(@RequestBody Map<String, Object> body) {
        var members = pick(body, List.of("code", "phone_code"));
        members.put("scope", "openid profile phone offline_access");
        return post("profile", members);
    }

    @PostMapping("/auth/bind")
    ResponseEntity<byte[]> bind(@RequestBody Map<String, Object> body) {
        var names = BINDINGS.get(String.valueOf(body.get("method")));
        return names == null ? invalid() : post("bindUser", pick(body, names));
    }

    @PostMapping("/auth/scan")
    ResponseEntity<byte[]> scan(@RequestBody Map<String, Object> body) {
        var action = String.valueOf(body.get("action"));
        var names = SCANS.get(action);
        return names == null ? invalid() : post("scan/" + action, pick(body, names));
    }

    @PostMapping("/auth/hand-off")
    ResponseEntity<byte[]> handOff(@RequestBody Map<String, Object> body) {
        return post("hand-off", pick(body, List.of("access_token", "target_client_id", "state")));
    }

    @PostMapping("/auth/refresh")
    ResponseEntity<byte[]> refresh(@RequestBody Map<String, Object> body) {
        if (!(body.get("refresh_token") instanceof String token)) {
            return invalid();
        }
        return passed(minifed.post().uri("/oauth2/token").header(HttpHeaders.AUTHORIZATION, authorization)
                .contentType(MediaType.APPLICATION_FORM_URLENCODED).body("grant_type=refresh_token&refresh_token=" + encoded(token))
                .retrieve().toEntity(byte[].class));
    }

    /** minifed rejects a user who was disabled a moment ago. Where that does not matter, verify the access token instead. */
    @GetMapping("/me")
    ResponseEntity<byte[]> me(@RequestHeader(value = HttpHeaders.AUTHORIZATION, defaultValue = "") String bearer) {
        return passed(minifed.get().uri("/oauth2/userinfo").header(HttpHeaders.AUTHORIZATION, bearer).retrieve().toEntity(byte[].class));
    }

    @ExceptionHandler(HttpMessageNotReadableException.class)
    ResponseEntity<byte[]> notReadable() {
        return invalid();
    }

    /** minifed did not respond. The mini-program sends its request again, with the same code. */
    @ExceptionHandler(ResourceAccessException.class)
    ResponseEntity<byte[]> notAvailable() {
        return json(502, "{\"error\":\"temporarily_unavailable\",\"reason\":\"retry\"}");
    }

    private ResponseEntity<byte[]> post(String endpoint, Map<String, Object> members) {
        return passed(minifed.post().uri(FEDERATION + endpoint).header(HttpHeaders.AUTHORIZATION, authorization)
                .contentType(MediaType.APPLICATION_JSON).body(members).retrieve().toEntity(byte[].class));
    }

    private static ResponseEntity<byte[]> passed(ResponseEntity<byte[]> response) {
        var passed = ResponseEntity.status(response.getStatusCode()).contentType(MediaType.APPLICATION_JSON).header(HttpHeaders.CACHE_CONTROL, "no-store");
        var wait = response.getHeaders().getFirst(HttpHeaders.RETRY_AFTER);
        if (wait != null) {
            passed.header(HttpHeaders.RETRY_AFTER, wait);
        }
        return passed.body(response.getBody());
    }

    private static ResponseEntity<byte[]> invalid() {
        return json(400, "{\"error\":\"invalid_request\"}");
    }

    private static ResponseEntity<byte[]> json(int status, String body) {
        return ResponseEntity.status(status).contentType(MediaType.APPLICATION_JSON).body(body.getBytes(StandardCharsets.UTF_8));
    }

    private static Map<String, Object> pick(Map<String, Object> body, List<String> names) {
        var picked = new LinkedHashMap<String, Object>();
        names.stream().filter(body::containsKey).forEach(name -> picked.put(name, body.get(name)));
        return picked;
    }

    private static String encoded(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }
}
