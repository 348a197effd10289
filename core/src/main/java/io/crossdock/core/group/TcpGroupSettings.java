package io.crossdock.core.group;

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
    if (size < 1 || rank < 0 || rank >= size) {
      throw new GroupConfigException("rank is out of range: rank=" + rank + ", size=" + size);
    }
    if (localSize < 1 || size % localSize != 0) {
      throw new GroupConfigException(
          "nodes are unequal: size=" + size + ", localSize=" + localSize + ", rank=" + rank);
    }
    if (port < 1 || port > 65_535) {
      throw new GroupConfigException("port is out of range: port=" + port + ", rank=" + rank);
    }
    if (secret.length < MIN_SECRET_BYTES) {
      throw new GroupSecretException(
          "job secret is too short: bytes="
              + secret.length
              + ", minBytes="
              + MIN_SECRET_BYTES
              + ", remedy=set CROSSDOCK_SECRET or CROSSDOCK_SECRET_FILE alike on all ranks");
    }
    host = host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
    secret = secret.clone();
  }

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
    return "TcpGroupSettings[rank="
        + rank
        + ", size="
        + size
        + ", localSize="
        + localSize
        + ", host="
        + host
        + ", port="
        + port
        + ", timeout="
        + timeout
        + "]";
  }
}
