// SPDX-License-Identifier: Apache-2.0
#include "cli/run_tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "edgesmith/base/file.h"
#include "support/tiny_model.h"

namespace edgesmith::testing {
namespace {

[[noreturn]] void become_tool(const std::vector<std::string>& args, const ToolOptions& options, const std::string& out,
                              const std::string& err) {
  std::vector<char*> argv = {const_cast<char*>("edgesmith")};
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  setenv("EDGESMITH_CACHE", "off", 1);  // nothing of the user's, and nothing of another test
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  const int in = open("/dev/null", O_RDONLY);
  const int out_fd = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  const int err_fd = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (in < 0 || out_fd < 0 || err_fd < 0 || chdir(options.folder.c_str()) != 0) _exit(126);
  dup2(in, STDIN_FILENO);
  dup2(out_fd, STDOUT_FILENO);
  dup2(err_fd, STDERR_FILENO);
  execv(EDGESMITH_BINARY, argv.data());
  _exit(127);
}

}  // namespace

ToolResult run_tool(const std::vector<std::string>& args, const ToolOptions& options) {
  const TemporaryFolder scratch;
  const std::string out = options.stdout_path.empty() ? scratch / "out" : options.stdout_path;
  const std::string err = scratch / "err";
  const pid_t pid = fork();
  EXPECT_GE(pid, 0);
  if (pid == 0) become_tool(args, options, out, err);
  if (options.while_running) options.while_running(pid);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  ToolResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (options.stdout_path.empty()) result.out = read_file(out).value();
  result.err = read_file(err).value();
  return result;
}

}  // namespace edgesmith::testing
