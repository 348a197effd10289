package io.crossdock.cuda;

/// How ranks reach each other's windows.
///
/// Safe for any thread.
enum WindowKind {
  /// All ranks are threads of one process, where a pointer is enough.
  POINTER("cuda-p2p"),
  /// Plain device memory, named to other processes of the machine by CUDA IPC.
  IPC("cuda-ipc"),
  /// Memory with fabric handles.
  FABRIC("cuda-fabric");

  private final String transport;

  WindowKind(String transport) {
    this.transport = transport;
  }

  /// Name of the transport.
  String transport() {
    return transport;
  }
}
