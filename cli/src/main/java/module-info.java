/// Command line: demo, bench, replay, launch, doctor.
module io.crossdock.cli {
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires info.picocli;
  requires io.crossdock.core;
  requires io.crossdock.ffi;
  requires java.management;

  opens io.crossdock.cli to
      info.picocli,
      com.fasterxml.jackson.databind;
}
