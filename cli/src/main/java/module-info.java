/// Command line: demo, bench, replay, launch, doctor.
module io.crossdock.cli {
  requires io.crossdock.core;
}
