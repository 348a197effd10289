package io.crossdock.cli;

import java.util.Optional;
import picocli.CommandLine.IVersionProvider;

/// The version of this build, from the jar.
///
/// Safe for any thread.
final class Version implements IVersionProvider {
  static String text() {
    return Optional.ofNullable(Version.class.getPackage().getImplementationVersion())
        .or(() ->
            Version.class.getModule().getDescriptor() == null
                ? Optional.empty()
                : Version.class.getModule().getDescriptor().rawVersion())
        .orElse("development");
  }

  @Override
  public String[] getVersion() {
    return new String[] {"crossdock " + text(), "Java " + Runtime.version()};
  }
}
