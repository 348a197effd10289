/// Native boundary: library loading, downcalls, and the only code that may reinterpret memory.
module io.crossdock.ffi {
  exports io.crossdock.ffi;
}
