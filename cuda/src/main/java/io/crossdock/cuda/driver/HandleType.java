package io.crossdock.cuda.driver;

/// By what other processes can be told of physical memory, with the numbers of
/// `CUmemAllocationHandleType`.
///
/// Safe for any thread.
enum HandleType {
  /// Not at all.
  NONE(0),
  /// By a [FabricHandle].
  FABRIC(8);

  private final int code;

  HandleType(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }
}
