package io.crossdock.cuda.driver;

import io.crossdock.ffi.LibC;
import io.crossdock.ffi.NativeCallException;
import io.crossdock.ffi.NativeLibrary;
import io.crossdock.ffi.RawMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// Every function of `libcuda.so.1` that the engine calls. Loading this class never fails and does
/// not start the driver; [#start] does.
///
/// The suffixes `_v2` and so on are those that `cuda.h` of CUDA 12 and 13 puts behind the plain
/// names; a test compares them. `cuEventElapsedTime` stays plain on purpose: drivers before 12.8
/// lack its newer form. The forms `_ptsz`, which give each thread a default stream of its own, are
/// not used: every call names its stream.
///
/// Safe for any thread.
final class Driver {
  /// A stream or an event has work left.
  static final int NOT_READY = 600;

  /// The driver is shutting down with the process; everything is already released.
  static final int DEINITIALIZED = 4;

  /// An argument is wrong; for a pointer, that CUDA does not know it.
  static final int INVALID_VALUE = 1;

  /// The process lacks a right, for fabric handles that to an IMEX channel.
  static final int NOT_PERMITTED = 800;

  /// Peer access was enabled before.
  static final int PEER_ACCESS_ALREADY_ENABLED = 704;

  static final String SONAME = "libcuda.so.1";

  private static final NativeLibrary LIBRARY = NativeLibrary.probe(SONAME);
  private static final List<Symbol> ALL = new ArrayList<>();
  private static final int TEXT_BYTES = 4096;

  static final Symbol INIT = bind("cuInit", "I");
  static final Symbol VERSION = bind("cuDriverGetVersion", "L");
  static final Symbol ERROR_NAME = bind("cuGetErrorName", "IL");
  static final Symbol ERROR_STRING = bind("cuGetErrorString", "IL");

  static final Symbol DEVICE_COUNT = bind("cuDeviceGetCount", "L");
  static final Symbol DEVICE_GET = bind("cuDeviceGet", "LI");
  static final Symbol DEVICE_NAME = bind("cuDeviceGetName", "LII");
  static final Symbol DEVICE_PCI_BUS_ID = bind("cuDeviceGetPCIBusId", "LII");
  static final Symbol DEVICE_UUID = bind("cuDeviceGetUuid_v2", "LI");
  static final Symbol DEVICE_TOTAL_BYTES = bind("cuDeviceTotalMem_v2", "LI");
  static final Symbol DEVICE_ATTRIBUTE = bind("cuDeviceGetAttribute", "LII");
  static final Symbol DEVICE_CAN_ACCESS_PEER = bind("cuDeviceCanAccessPeer", "LII");
  static final Symbol DEVICE_PEER_ATTRIBUTE = bind("cuDeviceGetP2PAttribute", "LIII");

  static final Symbol CONTEXT_RETAIN = bind("cuDevicePrimaryCtxRetain", "LI");
  static final Symbol CONTEXT_RELEASE = bind("cuDevicePrimaryCtxRelease_v2", "I");
  static final Symbol CONTEXT_SET_CURRENT = bind("cuCtxSetCurrent", "L");
  static final Symbol CONTEXT_GET_CURRENT = bind("cuCtxGetCurrent", "L");
  static final Symbol CONTEXT_ENABLE_PEER = bind("cuCtxEnablePeerAccess", "LI");
  static final Symbol MEMORY_INFO = bind("cuMemGetInfo_v2", "LL");

  static final Symbol STREAM_CREATE = bind("cuStreamCreateWithPriority", "LII");
  static final Symbol STREAM_PRIORITIES = bind("cuCtxGetStreamPriorityRange", "LL");
  static final Symbol STREAM_DESTROY = bind("cuStreamDestroy_v2", "L");
  static final Symbol STREAM_QUERY = bind("cuStreamQuery", "L");
  static final Symbol STREAM_WAIT_EVENT = bind("cuStreamWaitEvent", "LLI");
  static final Symbol STREAM_IS_CAPTURING = bind("cuStreamIsCapturing", "LL");
  static final Symbol STREAM_BEGIN_CAPTURE = bind("cuStreamBeginCapture_v2", "LI");
  static final Symbol STREAM_END_CAPTURE = bind("cuStreamEndCapture", "LL");

  static final Symbol COPY_HOST_TO_DEVICE = bind("cuMemcpyHtoDAsync_v2", "LLLL");
  static final Symbol COPY_DEVICE_TO_HOST = bind("cuMemcpyDtoHAsync_v2", "LLLL");
  static final Symbol COPY_DEVICE_TO_DEVICE = bind("cuMemcpyDtoDAsync_v2", "LLLL");
  static final Symbol SET_BYTES = bind("cuMemsetD8Async", "LBLL");

  static final Symbol EVENT_CREATE = bind("cuEventCreate", "LI");
  static final Symbol EVENT_DESTROY = bind("cuEventDestroy_v2", "L");
  static final Symbol EVENT_RECORD = bind("cuEventRecord", "LL");
  static final Symbol EVENT_RECORD_WITH = bind("cuEventRecordWithFlags", "LLI");
  static final Symbol EVENT_QUERY = bind("cuEventQuery", "L");
  static final Symbol EVENT_ELAPSED = bind("cuEventElapsedTime", "LLL");

  static final Symbol GRAPH_INSTANTIATE = bind("cuGraphInstantiateWithFlags", "LLL");
  static final Symbol GRAPH_DESTROY = bind("cuGraphDestroy", "L");
  static final Symbol GRAPH_UPLOAD = bind("cuGraphUpload", "LL");
  static final Symbol GRAPH_LAUNCH = bind("cuGraphLaunch", "LL");
  static final Symbol GRAPH_EXEC_DESTROY = bind("cuGraphExecDestroy", "L");

  static final Symbol MODULE_LOAD = bind("cuModuleLoadDataEx", "LLILL");
  static final Symbol MODULE_UNLOAD = bind("cuModuleUnload", "L");
  static final Symbol MODULE_FUNCTION = bind("cuModuleGetFunction", "LLL");
  static final Symbol FUNCTION_LOAD = bind("cuFuncLoad", "L"); // since 12.4
  static final Symbol FUNCTION_SET_ATTRIBUTE = bind("cuFuncSetAttribute", "LII");
  static final Symbol FUNCTION_GET_ATTRIBUTE = bind("cuFuncGetAttribute", "LIL");
  static final Symbol LAUNCH = bind("cuLaunchKernel", "LIIIIIIILLL");
  static final Symbol LAUNCH_WITH = bind("cuLaunchKernelEx", "LLLL");

  static final Symbol MEMORY_ALLOCATE = bind("cuMemAlloc_v2", "LL");
  static final Symbol MEMORY_FREE = bind("cuMemFree_v2", "L");
  static final Symbol HOST_ALLOCATE = bind("cuMemHostAlloc", "LLI");
  static final Symbol HOST_DEVICE_POINTER = bind("cuMemHostGetDevicePointer_v2", "LLI");
  static final Symbol HOST_FREE = bind("cuMemFreeHost", "L");
  static final Symbol POOL_CREATE = bind("cuMemPoolCreate", "LL");
  static final Symbol POOL_DESTROY = bind("cuMemPoolDestroy", "L");
  static final Symbol POOL_SET_ATTRIBUTE = bind("cuMemPoolSetAttribute", "LIL");
  static final Symbol POOL_ALLOCATE = bind("cuMemAllocFromPoolAsync", "LLLL");
  static final Symbol POOL_FREE = bind("cuMemFreeAsync", "LL");
  static final Symbol IPC_GET = bind("cuIpcGetMemHandle", "LL");
  static final Symbol IPC_OPEN = bind("cuIpcOpenMemHandle_v2", "LHI");
  static final Symbol IPC_CLOSE = bind("cuIpcCloseMemHandle", "L");
  static final Symbol PHYSICAL_GRANULARITY = bind("cuMemGetAllocationGranularity", "LLI");
  static final Symbol PHYSICAL_CREATE = bind("cuMemCreate", "LLLL");
  static final Symbol PHYSICAL_EXPORT = bind("cuMemExportToShareableHandle", "LLIL");
  static final Symbol PHYSICAL_IMPORT = bind("cuMemImportFromShareableHandle", "LLI");
  static final Symbol PHYSICAL_RELEASE = bind("cuMemRelease", "L");
  static final Symbol ADDRESS_RESERVE = bind("cuMemAddressReserve", "LLLLL");
  static final Symbol ADDRESS_FREE = bind("cuMemAddressFree", "LL");
  static final Symbol MEMORY_MAP = bind("cuMemMap", "LLLLL");
  static final Symbol MEMORY_UNMAP = bind("cuMemUnmap", "LL");
  static final Symbol MEMORY_SET_ACCESS = bind("cuMemSetAccess", "LLLL");
  static final Symbol POINTER_ATTRIBUTE = bind("cuPointerGetAttribute", "LIL");

  private Driver() {}

  /// Two defaults of the driver are deadly beside a kernel that waits for a peer. A kernel is
  /// loaded at its first launch, which waits for the GPU to be idle: so all are loaded with their
  /// module. And streams share eight hardware queues, where work of one stream waits behind that of
  /// another: so there are as many queues as the driver grants.
  private static final class Start {
    private static final String MOST_CONNECTIONS = "32";
    static final int CODE = run();

    private static int run() {
      LibC.setEnvironment("CUDA_MODULE_LOADING", "EAGER");
      LibC.setEnvironment("CUDA_DEVICE_MAX_CONNECTIONS", MOST_CONNECTIONS);
      return INIT.call(0);
    }
  }

  private static Symbol bind(String name, String shape) {
    Symbol symbol = Symbol.bind(LIBRARY, name, shape);
    ALL.add(symbol);
    return symbol;
  }

  /// {@return the release that the driver stands for}
  static CudaRelease release() {
    Scratch scratch = Scratch.get();
    VERSION.check(VERSION.call(scratch.address()));
    return CudaRelease.ofDriver(scratch.firstInt());
  }

  /// Everything that is bound.
  static List<Symbol> all() {
    return List.copyOf(ALL);
  }

  /// Why the library could not be loaded; empty if it was.
  static List<String> loadReasons() {
    return LIBRARY.reasons();
  }

  /// Starts the driver once and answers its code, without throwing.
  static int startCode() {
    return LIBRARY.isAvailable() ? Start.CODE : Symbol.MISSING;
  }

  /// Starts the driver once.
  static void start() {
    INIT.check(startCode());
  }

  /// Checks a call that releases something: at the end of the process the driver has already done
  /// it.
  static void checkRelease(Symbol symbol, int code) {
    if (code != DEINITIALIZED) {
      symbol.check(code);
    }
  }

  static NativeCallException failure(Symbol symbol, int code) {
    return new NativeCallException(SONAME, symbol.name(), code, text(code));
  }

  /// With facts of the call, `key=value`.
  static NativeCallException failure(Symbol symbol, int code, String more) {
    return new NativeCallException(SONAME, symbol.name(), code, text(code) + ", " + more);
  }

  /// The driver's words for a code.
  static String text(int code) {
    return code == Symbol.MISSING
        ? missing()
        : name(code) + " (" + textOf(ERROR_STRING, code) + ")";
  }

  /// The driver's name for a code.
  static String name(int code) {
    return code == Symbol.MISSING ? missing() : textOf(ERROR_NAME, code);
  }

  private static String missing() {
    return LIBRARY.isAvailable()
        ? "the driver does not have this function"
        : String.join("; ", LIBRARY.reasons());
  }

  private static String textOf(Symbol symbol, int code) {
    Scratch scratch = Scratch.get();
    long address =
        symbol.call(code, scratch.address()) == 0
            ? scratch.segment().get(ValueLayout.JAVA_LONG, 0)
            : 0;
    return address == 0 ? "unknown" : RawMemory.view(address, TEXT_BYTES).getString(0);
  }
}
