// SPDX-License-Identifier: Apache-2.0
#include "zoo/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>  // also sigabbrev_np
#include <thread>

#include "edgesmith/base/check.h"
#include "edgesmith/base/clock.h"

namespace edgesmith::zoo {
namespace {

/// The running program, also when its file was replaced in the meantime.
constexpr const char* kOwnProgram = "/proc/self/exe";

/// Makes `path` the descriptor `to`.
bool open_as(const char* path, int flags, int to) {
  const int descriptor = ::open(path, flags | O_CLOEXEC, 0666);
  return descriptor >= 0 && ::dup2(descriptor, to) == to;
}

/// What the child does before it becomes the program. Only returns on failure.
void become(const ProcessOptions& options, char* const* arguments, pid_t parent) {
  ::setpgid(0, 0);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (::getppid() != parent) ::_exit(127);  // it died before it could tell
  if (::chdir(options.folder.c_str()) != 0) return;
  if (!open_as("/dev/null", O_RDONLY, STDIN_FILENO) ||
      !open_as(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO) ||
      !open_as(options.errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO)) {
    return;
  }
  if (options.inherited >= 0 && ::fcntl(options.inherited, F_SETFD, 0) != 0) return;
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  ::execv(kOwnProgram, arguments);
}

}  // namespace

Result<pid_t> start_process(const ProcessOptions& options) {
  std::vector<char*> arguments = {const_cast<char*>("edgesmith")};
  for (const std::string& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int report[2];  // the child says through it why it did not become the program
  if (::pipe2(report, O_CLOEXEC) != 0) {
    return io_error(std::string("cannot start a process: ") + std::strerror(errno), "use fewer --jobs");
  }
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process == 0) {
    become(options, arguments.data(), parent);
    const int code = errno;
    (void)!::write(report[1], &code, sizeof code);
    ::_exit(127);
  }
  const int fork_code = errno;
  ::close(report[1]);
  int code = 0;
  ssize_t got = 0;
  while (process > 0 && (got = ::read(report[0], &code, sizeof code)) < 0 && errno == EINTR) {
  }
  ::close(report[0]);
  if (process > 0 && got <= 0) return process;
  if (process > 0) ::waitpid(process, nullptr, 0);
  return io_error(options.folder + ": cannot start a process: " + std::strerror(process < 0 ? fork_code : code),
                  "use fewer --jobs, or more memory");
}

std::optional<ProcessEnd> process_end(pid_t process) {
  int status = 0;
  rusage usage{};
  pid_t ended = 0;
  while ((ended = ::wait4(process, &status, WNOHANG, &usage)) < 0 && errno == EINTR) {
  }
  if (ended == 0) return std::nullopt;
  EDGESMITH_CHECK(ended == process) << "waited for a process twice";
  ProcessEnd end;
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  for (const int signal : {SIGINT, SIGTERM}) {
    if (end.exit_code == 128 + signal) end.signal = signal;
  }
  end.peak_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return end;
}

std::optional<ProcessEnd> wait_for_end(pid_t process, double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (;;) {
    if (auto end = process_end(process)) return end;
    if (seconds_since(start) > seconds) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

}  // namespace edgesmith::zoo
