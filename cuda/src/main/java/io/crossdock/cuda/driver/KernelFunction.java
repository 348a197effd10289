package io.crossdock.cuda.driver;

/// A kernel of a loaded module; its module owns it.
///
/// Safe for any thread.
public final class KernelFunction {
  private static final int MAX_THREADS = 0;
  private static final int STATIC_SHARED_BYTES = 1;
  private static final int LOCAL_BYTES = 3;
  private static final int REGISTERS = 4;
  private static final int MAX_DYNAMIC_SHARED_BYTES = 8;
  private static final int PREFERRED_SHARED_PERCENT = 9;
  private static final int ALL = 100;

  private final Context context;
  private final String name;
  private final long handle;

  KernelFunction(Context context, String name, long handle) {
    this.context = context;
    this.name = name;
    this.handle = handle;
  }

  /// {@return its name}
  public String name() {
    return name;
  }

  /// {@return the context that it was loaded into}
  public Context context() {
    return context;
  }

  /// {@return the `CUfunction`}
  public long rawHandle() {
    return handle;
  }

  /// Opts in to more shared memory for a launch than the default of 48 KiB.
  ///
  /// @param bytes of [LaunchShape#dynamicSharedBytes], at most
  public void setMaxDynamicSharedBytes(int bytes) {
    context.makeCurrent();
    int code = Driver.FUNCTION_SET_ATTRIBUTE.call(handle, MAX_DYNAMIC_SHARED_BYTES, bytes);
    Driver.FUNCTION_SET_ATTRIBUTE.check(code);
  }

  /// Asks for the largest share of shared memory. Kernels that follow each other with different
  /// shares wait for multiprocessors to be divided anew.
  public void preferSharedMemory() {
    context.makeCurrent();
    int code = Driver.FUNCTION_SET_ATTRIBUTE.call(handle, PREFERRED_SHARED_PERCENT, ALL);
    Driver.FUNCTION_SET_ATTRIBUTE.check(code);
  }

  /// {@return threads of a block, at most}
  public int maxThreads() {
    return attribute(MAX_THREADS);
  }

  /// {@return registers of a thread}
  public int numRegisters() {
    return attribute(REGISTERS);
  }

  /// {@return local memory of a thread, spills included}
  public int localBytes() {
    return attribute(LOCAL_BYTES);
  }

  /// {@return shared memory of a block besides what a launch adds}
  public int staticSharedBytes() {
    return attribute(STATIC_SHARED_BYTES);
  }

  private int attribute(int attribute) {
    context.makeCurrent();
    Scratch scratch = Scratch.get();
    int code = Driver.FUNCTION_GET_ATTRIBUTE.call(scratch.address(), attribute, handle);
    Driver.FUNCTION_GET_ATTRIBUTE.check(code);
    return scratch.firstInt();
  }

  @Override
  public String toString() {
    return "kernel " + name;
  }
}
