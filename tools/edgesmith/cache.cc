// SPDX-License-Identifier: Apache-2.0
// `edgesmith cache info|clear`, and the options of the commands that use the cache.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cache_flags.h"
#include "cli.h"
#include "edgesmith/refine/select.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

struct CacheCommand {
  std::string what;
  CacheFlags cache;
};

std::string times_text(int64_t times) {
  return std::to_string(times) + (times == 1 ? " time of a kernel" : " times of kernels");
}

std::string info_text(const refine::StepCache::Info& info, int64_t times) {
  return info.folder + "\n  " + std::to_string(info.entries) + (info.entries == 1 ? " entry, " : " entries, ") +
         report::bytes_text(info.bytes) + " of at most " + report::bytes_text(info.limit) +
         (times > 0 ? "\n  beside it " + times_text(times) + ", for select" : "");
}

/// A folder that is not there is an empty cache; anything that is no folder, or cannot be read, is none.
Status check_folder(const std::string& steps) {
  std::error_code error;
  for (const std::filesystem::path& path : {std::filesystem::path(steps).parent_path(), std::filesystem::path(steps)}) {
    if (!std::filesystem::exists(path, error)) continue;
    if (!std::filesystem::is_directory(path, error)) {
      return usage_error(path.string() + ": is a file, not the folder of a cache", "name another --cache-dir");
    }
    const std::filesystem::directory_iterator entries(path, error);
    if (error) return io_error(path.string() + ": cannot read the folder: " + error.message(), "check the permissions");
  }
  return {};
}

Result<int> run(const CacheCommand& flags, const Common& common) {
  auto cache = open_cache(flags.cache);
  if (!cache) return cache.error();
  if (!*cache) return usage_error("the cache is off", "name a --cache-dir, or unset EDGESMITH_CACHE");
  const refine::StepCache::Info info = (*cache)->info();
  EDGESMITH_TRY(check_folder(info.folder));
  refine::TimingCache timing(refine::TimingCache::path_in(cache_folder(flags.cache)));
  const int64_t times = timing.size();
  int64_t removed = 0;
  if (flags.what == "clear") {
    auto count = (*cache)->clear();
    if (!count) return count.error();
    removed = *count;
    EDGESMITH_TRY(timing.clear());
  }
  if (common.json) {
    nlohmann::ordered_json json = {{"schema", "edgesmith.cache/1"}, {"folder", info.folder}, {"entries", info.entries},
                                   {"bytes", info.bytes},           {"limit", info.limit},   {"kernel_times", times}};
    if (flags.what == "clear") json["removed"] = removed;
    print(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else if (flags.what == "info") {
    print(info_text(info, times));
  } else if (!common.quiet) {
    print("removed " + std::to_string(removed) + (removed == 1 ? " entry, " : " entries, ") +
          report::bytes_text(info.bytes) + ", from " + info.folder + (times > 0 ? ", and " + times_text(times) : ""));
  }
  return 0;
}

}  // namespace

void add_cache_options(Command* command, CacheFlags& flags) {
  command->add_flag("--no-cache", flags.off, "run and measure everything, and keep no results for the next time")
      ->group("Common");
  command
      ->add_option("--cache-dir", flags.folder,
                   "where results of steps are kept (default $EDGESMITH_CACHE, then ~/.cache/edgesmith)")
      ->type_name("DIR")
      ->group("Common");
}

std::string cache_folder(const CacheFlags& flags) {
  if (flags.off) return "";
  return flags.folder.empty() ? refine::StepCache::default_folder() : flags.folder;
}

Result<std::optional<refine::StepCache>> open_cache(const CacheFlags& flags) {
  std::optional<refine::StepCache> cache;
  const std::string folder = cache_folder(flags);
  if (folder.empty()) return cache;
  auto limit = refine::StepCache::default_limit();
  if (!limit) return limit.error();
  cache.emplace(folder, *limit);
  return cache;
}

void add_cache(Program& program) {
  auto flags = std::make_shared<CacheCommand>();
  Command* command = program.add_command("cache", "Show or empty the folder of results that need not be made again",
                                         [flags](const Common& common) { return run(*flags, common); });
  command->add_option("what", flags->what, "info: folder, entries, bytes, times of kernels; clear: remove them")
      ->required()
      ->one_of({"info", "clear"})
      ->type_name("info|clear");
  command->add_option("--cache-dir", flags->cache.folder, "the folder, in place of the default one")->type_name("DIR");
}

}  // namespace edgesmith::cli
