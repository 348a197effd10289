package io.crossdock.host;

/// Whether kernels of the Vector API are to run: its module is there and nobody asked for the
/// scalar twins with `-Dcrossdock.host.kernels=scalar`.
///
/// Safe for any thread.
final class VectorApi {
  private VectorApi() {}

  /// {@return true if a class that uses the Vector API may be loaded}
  static boolean isWanted() {
    boolean wanted = !"scalar".equals(System.getProperty("crossdock.host.kernels"));
    return wanted && ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
  }
}
