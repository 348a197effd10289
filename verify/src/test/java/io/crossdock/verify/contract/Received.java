package io.crossdock.verify.contract;

import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.EngineMemory;
import io.crossdock.core.Tensor;
import java.util.Optional;

/// What a dispatch brought, on the host, whichever way it was called.
record Received(
    Tensor x,
    Optional<Tensor> scales,
    Optional<Tensor> topkIdx,
    Optional<Tensor> topkWeights,
    DispatchHandle handle) {

  static Received of(DispatchResult result, EngineMemory memory) {
    return new Received(
        memory.toHost(result.recvX()),
        result.recvScales().map(memory::toHost),
        result.recvTopkIdx().map(memory::toHost),
        result.recvTopkWeights().map(memory::toHost),
        result.handle());
  }

  static Received of(DispatchOutputs outputs, EngineMemory memory) {
    return new Received(
        memory.toHost(outputs.recvX()),
        outputs.recvScales().map(memory::toHost),
        outputs.recvTopkIdx().map(memory::toHost),
        outputs.recvTopkWeights().map(memory::toHost),
        outputs.handle());
  }
}
