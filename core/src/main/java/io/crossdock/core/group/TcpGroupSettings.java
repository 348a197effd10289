package io.crossdock.core.group;

import java.net.InetAddress;
import java.time.Duration;
import java.util.Arrays;

/// Who a rank is and where the ranks meet.
///
/// Safe for any thread.
///
/// @param rank this rank
/// @param size R
/// @param localSize ranks of each node
/// @param host where rank 0 listens: a name or an address, IPv6 with or without brackets
/// @param port where rank 0 listens
/// @param secret shared by the ranks of the job, at least 16 bytes
/// @param timeout of every wait
public record TcpGroupSettings(
    int rank, int size, int localSize, String host, int port, byte[] secret, Duration timeout) {
  /// Least bytes of a secret.
  public static final int MIN_SECRET_BYTES = 16;

  /// Checks ranges.
  ///
  /// @throws GroupConfigException when a value is out of range
  /// @throws GroupSecretException when the secret is too short
  public TcpGroupSettings {
    GroupOptions.requireTimeout(timeout);
    requirePlace(rank, size, localSize);
    if (host.isBlank() || port < 1 || port > 65_535) {
      throw new GroupConfigException(
          "rendezvous is nowhere: host=" + host + ", port=" + port + ", rank=" + rank);
    }
    if (secret.length < MIN_SECRET_BYTES) {
      throw new GroupSecretException(
          "job secret is too short: bytes=%d, minBytes=%d, remedy=%s, rank=%d"
              .formatted(
                  secret.length,
                  MIN_SECRET_BYTES,
                  "set CROSSDOCK_SECRET or CROSSDOCK_SECRET_FILE alike on all ranks",
                  rank));
    }
    host = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
    secret = secret.clone();
  }

  static void requirePlace(int rank, int size, int localSize) {
    if (size < 1 || rank < 0 || rank >= size) {
      throw new GroupConfigException("rank is out of range: rank=" + rank + ", size=" + size);
    }
    if (localSize < 1 || size % localSize != 0) {
      throw new GroupConfigException(
          "nodes are unequal: size=" + size + ", localSize=" + localSize + ", rank=" + rank);
    }
  }

  /// Whether rank 0 listens where no other machine can reach it. A name other than `localhost` may
  /// be any machine's.
  boolean meetsOnLoopback() {
    try {
      return host.equalsIgnoreCase("localhost") || InetAddress.ofLiteral(host).isLoopbackAddress();
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /// How the ranks meet, for messages: `tcp [::1]:29500`.
  String name() {
    return "tcp " + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
  }

  /// The job secret.
  ///
  /// @return a copy
  @Override
  public byte[] secret() {
    return secret.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TcpGroupSettings that
        && describe().equals(that.describe())
        && Arrays.equals(secret, that.secret);
  }

  @Override
  public int hashCode() {
    return describe().hashCode();
  }

  /// Never shows the secret.
  @Override
  public String toString() {
    return describe();
  }

  private String describe() {
    return "TcpGroupSettings[rank=%d, size=%d, localSize=%d, at=%s, timeout=%s]"
        .formatted(rank, size, localSize, name(), timeout);
  }
}
