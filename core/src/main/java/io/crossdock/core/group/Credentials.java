package io.crossdock.core.group;

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

  /// What a proof is for; a proof for one purpose is none for another.
  enum Purpose {
    /// The member shows the host that it has the secret.
    MEMBER,
    /// The host shows the member that it has the secret.
    HOST,
    /// Never sent: the key of the frames that follow.
    SESSION
  }

  Credentials(byte[] secret) {
    this.secret = secret.clone();
  }

  static byte[] nonce() {
    byte[] nonce = new byte[NONCE_BYTES];
    RANDOM.nextBytes(nonce);
    return nonce;
  }

  /// {@return a proof that its maker has the secret and saw these two messages}
  ///
  /// @param purpose what it proves
  /// @param greeting the host's message, of fixed length, with the host's nonce
  /// @param hello the member's message, of fixed length, with the member's nonce
  byte[] proof(Purpose purpose, byte[] greeting, byte[] hello) {
    Mac mac = mac(secret);
    mac.update((byte) purpose.ordinal());
    mac.update(greeting);
    return mac.doFinal(hello);
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
