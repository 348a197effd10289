package io.crossdock.core.group;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// Proofs of the job secret: HMAC-SHA256, nothing secret on the wire.
///
/// Safe for any thread.
final class Credentials {
  static final int NONCE_BYTES = 32;
  static final int PROOF_BYTES = 32;
  private static final String HMAC = "HmacSHA256";
  private static final SecureRandom RANDOM = new SecureRandom();

  private final byte[] secret;

  Credentials(byte[] secret) {
    this.secret = secret.clone();
  }

  static byte[] nonce() {
    byte[] nonce = new byte[NONCE_BYTES];
    RANDOM.nextBytes(nonce);
    return nonce;
  }

  /// {@return a proof that its maker has the secret, for one purpose and one pair of nonces}
  byte[] proof(String purpose, byte[] hostNonce, byte[] memberNonce, int... facts) {
    ByteBuffer numbers = ByteBuffer.allocate(facts.length * Integer.BYTES);
    for (int fact : facts) {
      numbers.putInt(fact);
    }
    Mac mac = mac(secret);
    mac.update(purpose.getBytes(StandardCharsets.UTF_8));
    mac.update(hostNonce);
    mac.update(memberNonce);
    return mac.doFinal(numbers.array());
  }

  static boolean same(byte[] proof, byte[] expected) {
    return MessageDigest.isEqual(proof, expected);
  }

  static Mac mac(byte[] key) {
    try {
      Mac mac = Mac.getInstance(HMAC);
      mac.init(new SecretKeySpec(key, HMAC));
      return mac;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java platform has HMAC-SHA256: algorithm=" + HMAC, e);
    }
  }
}
