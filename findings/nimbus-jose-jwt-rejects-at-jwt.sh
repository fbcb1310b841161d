#!/bin/sh
# nimbus-jose-jwt 10.10 (Java) rejects access tokens of RFC 9068 with the default settings of DefaultJWTProcessor.
# Section 2.1 of the RFC requires the header typ: at+jwt. The processor accepts typ JWT or none,
# so a resource server that uses it as it is rejects every token of a server that follows the RFC.
# Remedy: setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt"))).
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -Dartifact=com.nimbusds:nimbus-jose-jwt:10.10 -DoutputDirectory=. > log.txt 2>&1 ||
  { cat log.txt; exit 1; }
cat > Main.java <<'EOF'
import com.nimbusds.jose.*;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jose.jwk.*;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.proc.*;
import com.nimbusds.jwt.*;
import com.nimbusds.jwt.proc.*;
public class Main {
    public static void main(String[] args) throws Exception {
        RSAKey key = new RSAKeyGenerator(2048).keyID("one").generate();
        JOSEObjectType type = new JOSEObjectType("at+jwt");
        SignedJWT token = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.RS256).keyID("one").type(type).build(),
            new JWTClaimsSet.Builder().subject("alice").build());
        token.sign(new RSASSASigner(key));
        DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.RS256, new ImmutableJWKSet<>(new JWKSet(key.toPublicJWK()))));
        try { System.out.println("default: " + processor.process(token.serialize(), null).getSubject()); }
        catch (BadJOSEException e) { System.out.println("default: " + e.getMessage()); }
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(type));
        System.out.println("with the verifier: " + processor.process(token.serialize(), null).getSubject());
    }
}
EOF
java -cp nimbus-jose-jwt-10.10.jar Main.java | tee seen.txt
cat > want.txt <<'EOF'
default: JOSE header typ (type) at+jwt not allowed
with the verifier: alice
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
