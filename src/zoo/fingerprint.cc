// SPDX-License-Identifier: Apache-2.0
#include "zoo/fingerprint.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "edgesmith/base/file.h"
#include "edgesmith/base/progress.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"
#include "refine/config.h"

namespace edgesmith::zoo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMissing = "missing";
/// Descriptions that name descriptions: a chain of more is a circle.
constexpr int kDeepest = 4;
/// Bytes around the border of two pieces in which a name that lies across it is found.
constexpr size_t kBorder = 4096;
/// An external file's entry in a tensor of the ONNX wire format: key (field 1, 8 bytes) "location", value (field 2).
constexpr std::string_view kLocation = "\x0a\x08location\x12";

/// Hash of the hashes of a file's pieces: no more than one piece is in memory.
std::string hash_pieces(const MappedFile& file, const std::function<void(std::string_view)>& look = {}) {
  std::string hashes;
  const auto bytes = file.bytes();
  for (size_t at = 0; at < bytes.size() && !interrupted(); at += kPieceBytes) {
    const auto piece = bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at));
    hashes += sha256_hex(piece);
    if (look) look({reinterpret_cast<const char*>(piece.data()), piece.size()});
    forget_pages(piece);
  }
  return sha256_hex(hashes);
}

/// The names of external files in a piece of a model's bytes.
void find_locations(std::string_view bytes, std::set<std::string>& names) {
  for (size_t at = bytes.find(kLocation); at != std::string_view::npos; at = bytes.find(kLocation, at + 1)) {
    size_t begin = at + kLocation.size();
    if (begin + 1 >= bytes.size()) break;
    size_t size = static_cast<unsigned char>(bytes[begin++]);
    if (size >= 0x80) size = (size & 0x7f) | static_cast<size_t>(static_cast<unsigned char>(bytes[begin++])) << 7;
    if (size < kBorder && begin + size <= bytes.size()) names.emplace(bytes.substr(begin, size));
  }
}

/// The labels that are found beside the pictures of an IDX pair.
std::string idx_labels(std::string path) {
  for (const auto& [from, to] : {std::pair<std::string_view, std::string_view>{"images", "labels"}, {"idx3", "idx1"}}) {
    const size_t at = path.rfind(from);
    if (at == std::string::npos) return "";
    path.replace(at, from.size(), to);
  }
  return path;
}

}  // namespace

std::string Fingerprints::file(const std::string& path) {
  std::string& hash = known_["file " + path];
  if (!hash.empty()) return hash;
  auto mapped = MappedFile::open(path);
  return hash = mapped ? hash_pieces(**mapped) : kMissing;
}

std::string Fingerprints::model(const std::string& path) {
  std::string& hash = known_["model " + path];
  if (!hash.empty()) return hash;
  auto mapped = MappedFile::open(path);
  if (!mapped) return hash = kMissing;
  std::set<std::string> names;
  std::string tail, text = hash_pieces(**mapped, [&](std::string_view piece) {
                      find_locations(piece, names);
                      // A name that lies across two pieces.
                      find_locations(tail + std::string(piece.substr(0, kBorder)), names);
                      tail = piece.substr(piece.size() - std::min<size_t>(piece.size(), kBorder));
                    });
  if (names.empty()) return hash = text;
  for (const std::string& name : names) text += " " + file((fs::path(path).parent_path() / name).string());
  return hash = sha256_hex(text);
}

std::string Fingerprints::files(std::vector<std::string> paths) {
  std::sort(paths.begin(), paths.end());
  uintmax_t total = 0;
  std::error_code error;
  for (const std::string& path : paths) total += fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  std::string text;
  for (const std::string& path : paths) {
    if (interrupted()) return kMissing;
    text += path + " ";
    if (total <= kHashedBytes) {
      auto mapped = MappedFile::open(path);
      text += mapped ? hash_pieces(**mapped) : kMissing;
    } else {
      const auto time = fs::last_write_time(path, error).time_since_epoch().count();
      text += std::to_string(fs::file_size(path, error)) + " " + std::to_string(time);
    }
    text += "\n";
  }
  return sha256_hex(text);
}

/// The list and the files that it names: the first field of every line that is a file.
std::string Fingerprints::csv(const std::string& path) {
  auto text = read_file(path);
  if (!text) return kMissing;
  std::vector<std::string> paths = {path};
  const fs::path folder = fs::path(path).parent_path();
  std::error_code error;
  for (size_t at = 0; at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    const std::string line = text->substr(at, end - at);
    at = end + 1;
    for (size_t begin = 0; begin < line.size();) {  // whichever column it is
      const size_t stop = std::min(line.find_first_of(",\r", begin), line.size());
      std::string field = line.substr(begin, stop - begin);
      begin = stop + 1;
      if (field.size() > 1 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
      if (field.find('.') == std::string::npos) continue;  // a label
      const std::string named = (folder / field).string();
      if (fs::is_regular_file(named, error)) paths.push_back(named);
    }
  }
  return files(std::move(paths));
}

/// The description and what it describes.
std::string Fingerprints::data_toml(const std::string& path, int depth) {
  std::string text = file(path);
  auto content = read_file(path);
  if (!content || depth >= kDeepest) return text;
  auto table = refine::parse_toml(*content, path);
  if (!table) return text;
  for (const char* key : {"path", "labels"}) {
    const refine::ConfigNode* node = table->find(key);
    const auto* name = node != nullptr ? std::get_if<std::string>(&node->value) : nullptr;
    if (name == nullptr) continue;
    const std::string named = (fs::path(path).parent_path() / *name).lexically_normal().string();
    std::error_code error;
    if (fs::exists(named, error)) text += " " + data_path(named, depth + 1);
  }
  return sha256_hex(text);
}

std::string Fingerprints::data_path(const std::string& path, int depth) {
  if (const auto found = known_.find("data " + path); found != known_.end()) return found->second;
  std::error_code error;
  std::string hash;
  if (fs::is_directory(path, error)) {
    std::vector<std::string> paths;
    for (fs::recursive_directory_iterator entry(path, fs::directory_options::skip_permission_denied, error), end;
         !error && entry != end; entry.increment(error)) {
      if (entry->is_regular_file(error)) paths.push_back(entry->path().string());
    }
    hash = files(std::move(paths));
  } else if (path.ends_with(".toml")) {
    hash = data_toml(path, depth);
  } else if (path.ends_with(".csv")) {
    hash = csv(path);
  } else {
    hash = file(path);
    const std::string labels = idx_labels(path);
    if (!labels.empty() && fs::exists(labels, error)) hash = sha256_hex(hash + " " + file(labels));
  }
  known_["data " + path] = hash;
  return hash;
}

std::string Fingerprints::data(const data::DataSpec& spec) {
  const std::string hash = data_path(spec.path, 0);
  std::error_code error;
  if (spec.labels.empty() || !fs::is_regular_file(spec.labels, error)) return hash;
  return sha256_hex(hash + " " + file(spec.labels));
}

std::vector<JobInput> Fingerprints::of(const Job& job) {
  const refine::Recipe& recipe = job.recipe;
  std::vector<JobInput> inputs = {{"model", recipe.model, model(recipe.model)},
                                  {"recipe", "recipe.toml", sha256_hex(refine::print_recipe(recipe))}};
  const std::pair<const char*, const std::optional<data::DataSpec>*> roles[] = {{"calib", &recipe.data.calib},
                                                                                {"train", &recipe.data.train},
                                                                                {"eval", &recipe.data.eval},
                                                                                {"test", &recipe.data.test}};
  for (const auto& [role, spec] : roles) {
    if (*spec) inputs.push_back({role, (*spec)->path, data(**spec)});
  }
  for (size_t s = 0; s < recipe.steps.size(); ++s) {
    const passes::Options& options = recipe.steps[s].options;
    for (const passes::OptionRow& row : options.schema()) {
      if (row.kind != passes::OptionKind::path || !options.given(row.name)) continue;
      const std::string& path = options.word(row.name);
      inputs.push_back({"step " + std::to_string(s + 1) + ": " + std::string(row.name), path, model(path)});
    }
  }
  std::vector<std::string> profiles = recipe.gate.targets;
  profiles.push_back(recipe.target);
  for (const std::string& target : profiles) {
    if (targets::is_profile_path(target)) inputs.push_back({"target", target, file(target)});
  }
  return inputs;
}

}  // namespace edgesmith::zoo
