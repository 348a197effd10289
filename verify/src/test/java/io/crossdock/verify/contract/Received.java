package io.crossdock.verify.contract;

import io.crossdock.core.DispatchHandle;
import io.crossdock.core.DispatchOutputs;
import io.crossdock.core.DispatchResult;
import io.crossdock.core.Tensor;
import java.util.Optional;

/// What a dispatch brought, whichever way it was called.
record Received(
    Tensor x,
    Optional<Tensor> scales,
    Optional<Tensor> topkIdx,
    Optional<Tensor> topkWeights,
    DispatchHandle handle) {

  static Received of(DispatchResult result) {
    return new Received(
        result.recvX(),
        result.recvScales(),
        result.recvTopkIdx(),
        result.recvTopkWeights(),
        result.handle());
  }

  static Received of(DispatchOutputs outputs) {
    return new Received(
        outputs.recvX(),
        outputs.recvScales(),
        outputs.recvTopkIdx(),
        outputs.recvTopkWeights(),
        outputs.handle());
  }
}
