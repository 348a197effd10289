package io.crossdock.verify.faults;

import io.crossdock.verify.harness.OnCuda;

/// The masks and handshakes of [ElasticThreadsTest] on one GPU: a rank that launches nothing is
/// given up by the kernels of the others, and comes back.
@OnCuda
class GpuElasticTest extends ElasticThreadsTest {}
