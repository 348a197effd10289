package io.crossdock.cuda.driver;

/// Memory of a GPU that other processes can be told of.
///
/// Safe for any thread.
public sealed interface ShareableMemory extends AutoCloseable permits DeviceMemory, FabricMemory {
  /// {@return device address}
  long address();

  /// {@return bytes, all of which can be used}
  long byteSize();

  /// Makes the memory known to other processes.
  ///
  /// @return what names it there; valid until this memory is closed
  SharedHandle export();

  /// Gives the memory up.
  @Override
  void close();
}
