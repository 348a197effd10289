package io.crossdock.ucx.binding;

/// Is given what arrives at a worker, within [Worker#progress()] or, for a failed endpoint, at any
/// time. It calls nothing of UCX.
///
/// Safe for the threads that its worker is for.
public interface Receiver {
  /// Takes a message. Its memory ends with the call.
  ///
  /// @param header address of the header
  /// @param headerBytes its size
  /// @param data address of the pieces, side by side; of no use if they have not arrived
  /// @param dataBytes their size
  /// @param hasData false if the sender only asked to be read from, or the message is in parts
  void received(long header, long headerBytes, long data, long dataBytes, boolean hasData);

  /// Takes note that an endpoint failed.
  ///
  /// @param peer as given to [Worker#connect]
  /// @param status why
  void failed(int peer, byte status);

  /// Takes note of an error of its own that must not reach UCX.
  ///
  /// @param error what was thrown
  void broken(Throwable error);
}
