package io.crossdock.core.group;

import java.util.Map;

/// Joins the group that the environment of this process describes.
///
/// Who this rank is, is told by the first launcher of this list whose rank variable is set. Only
/// that launcher's variables count, and all of them must be there:
///
/// 1. `crossdock launch`, torchrun and their like: `RANK`, `WORLD_SIZE`, `LOCAL_RANK`,
///    `LOCAL_WORLD_SIZE`.
/// 2. Open MPI: `OMPI_COMM_WORLD_RANK`, `OMPI_COMM_WORLD_SIZE`, `OMPI_COMM_WORLD_LOCAL_RANK`,
///    `OMPI_COMM_WORLD_LOCAL_SIZE`.
/// 3. Slurm's `srun`: `SLURM_PROCID`, `SLURM_STEP_NUM_TASKS`, `SLURM_LOCALID`, and the local size
///    from `SLURM_STEP_TASKS_PER_NODE` (`4(x2)`). What the allocation has (`SLURM_NTASKS`) may be
///    more than this `srun` started, and does not count.
///
/// So torchrun inside a Slurm job, or `mpirun` inside an allocation, does what its user expects.
/// With no rank variable the process is a group of one, except when `WORLD_SIZE`, `LOCAL_RANK` or
/// `LOCAL_WORLD_SIZE` (or Open MPI's) show that one was forgotten. An allocation of Slurm without a
/// task is a group of one: what a batch script or the shell of `salloc` runs without `srun`.
///
/// Ranks are numbered node by node and all nodes have equally many, so the local rank is the rank
/// modulo the local size (Slurm: `--distribution=block`).
///
/// For every launcher:
///
/// - `MASTER_ADDR`, default 127.0.0.1, and `MASTER_PORT`, default 29500: where rank 0 listens. An
///   IPv6 address may stand in brackets. Needed when there are several nodes.
/// - `CROSSDOCK_SECRET`, or else the file that `CROSSDOCK_SECRET_FILE` names, line ends at its end
///   left out: the job secret, the same for all ranks, at least
///   [TcpGroupSettings#MIN_SECRET_BYTES]. An even number of at least 32 hexadecimal digits stands
///   for the bytes they spell, anything else for itself.
/// - `CROSSDOCK_TIMEOUT_SECONDS`: bound of every wait, default [ProcessGroup#DEFAULT_TIMEOUT].
///
/// An empty variable counts as not set. A group of one needs no secret and opens no socket.
///
/// Safe for any thread.
public final class ProcessGroups {
  private ProcessGroups() {}

  /// Joins the group that the environment of this process describes.
  ///
  /// @return this rank's member
  /// @throws GroupConfigException when variables are missing or make no sense together
  /// @throws GroupException when the ranks do not find each other, see [TcpGroup#join]
  public static ProcessGroup fromEnvironment() {
    return fromEnvironment(System.getenv());
  }

  /// Joins the group that these variables describe.
  ///
  /// @param variables in place of the environment
  /// @return this rank's member
  /// @throws GroupConfigException when variables are missing or make no sense together
  /// @throws GroupException when the ranks do not find each other, see [TcpGroup#join]
  public static ProcessGroup fromEnvironment(Map<String, String> variables) {
    var environment = new JobEnvironment(variables);
    JobEnvironment.Place place = environment.place();
    if (place.size() > 1) {
      return TcpGroup.join(environment.settings(place));
    }
    return InProcessGroup.create(1, GroupOptions.defaults().withTimeout(environment.timeout()))
        .getFirst();
  }
}
