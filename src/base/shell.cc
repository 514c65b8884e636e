// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "edgesmith/base/clock.h"
#include "edgesmith/base/progress.h"

namespace edgesmith {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void become_shell(const char* command, const char* out_path, const char* err_path) {
  setpgid(0, 0);  // so that it can be ended with what it starts
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  const int in = open("/dev/null", O_RDONLY);
  const int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const bool one_file = std::strcmp(out_path, err_path) == 0;
  const int err = one_file ? out : open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (in < 0 || out < 0 || err < 0) _exit(126);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
  _exit(127);
}

int64_t size_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? static_cast<int64_t>(status.st_size) : 0;
}

}  // namespace

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

Result<std::optional<int>> run_shell(const std::string& command, const std::string& out, const std::string& err,
                                     double seconds, int64_t most_bytes) {
  const pid_t pid = fork();
  if (pid < 0) return io_error(std::string("cannot start a process: ") + std::strerror(errno));
  if (pid == 0) become_shell(command.c_str(), out.c_str(), err.c_str());
  const Clock::time_point start = Clock::now();
  auto pause = std::chrono::microseconds(200);
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return std::optional(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    const bool late = seconds > 0 && seconds_since(start) > seconds;
    const bool too_much = most_bytes > 0 && (size_of(out) > most_bytes || size_of(err) > most_bytes);
    if (late || too_much || interrupted()) {
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);  // it may not have made its group yet
      waitpid(pid, &status, 0);
      return std::optional<int>();
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::microseconds(10000));
  }
}

}  // namespace edgesmith
