// SPDX-License-Identifier: Apache-2.0
// `edgesmith pack` and `edgesmith unpack`: a model in the least bytes, and back bit for bit.
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli.h"
#include "edgesmith/base/clock.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/log.h"
#include "edgesmith/base/sha256.h"
#include "edgesmith/pack/pack.h"
#include "edgesmith/refine/output_name.h"
#include "edgesmith/refine/runner.h"
#include "edgesmith/report/terminal.h"

namespace edgesmith::cli {
namespace {

namespace fs = std::filesystem;

struct PackFlags {
  std::string model, output;
  bool force = false;
};

/// What was done, for people and for pipelines.
struct Done {
  std::string command;
  std::string packed, model;        ///< paths
  std::string sha256;               ///< of the output (of the model, for unpack)
  std::vector<std::string> others;  ///< external data
  pack::PackSummary summary;
  double seconds = 0;
};

std::string as_json(const Done& done) {
  const auto& s = done.summary;
  return nlohmann::ordered_json(
             {{"schema", "edgesmith.pack/1"},
              {"command", done.command},
              {"model", {{"path", done.model}, {"bytes", s.model_bytes}, {"external_data", done.others}}},
              {"packed", {{"path", done.packed}, {"bytes", s.packed_bytes}}},
              {"output_sha256", done.sha256},
              {"tensors",
               {{"count", s.tensors},
                {"elements", s.elements},
                {"bytes", s.tensor_bytes},
                {"packed_bytes", s.packed_tensor_bytes}}},
              {"seconds", done.seconds},
              {"warnings", log::take_warnings()}})
      .dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(const Done& done) {
  const auto& s = done.summary;
  char share[32];
  std::snprintf(
      share, sizeof share, "%.1f %%",
      100.0 * static_cast<double>(s.packed_bytes) / static_cast<double>(std::max<uint64_t>(1, s.model_bytes)));
  const auto bytes = [](uint64_t n) { return report::bytes_text(static_cast<int64_t>(n)); };
  const bool packing = done.command == "pack";
  std::string text = (packing ? done.packed : done.model) + ": " + bytes(packing ? s.model_bytes : s.packed_bytes) +
                     " -> " + bytes(packing ? s.packed_bytes : s.model_bytes) + " (packed: " + share + ")\n";
  text += "  " + std::to_string(s.tensors) + " tensors  " + bytes(s.tensor_bytes) + " as " +
          bytes(s.packed_tensor_bytes) + ", graph and the rest " + bytes(s.model_bytes - s.tensor_bytes) + " as " +
          bytes(s.packed_bytes - s.packed_tensor_bytes) + "\n";
  for (const std::string& other : done.others) text += "  with " + other + "\n";
  return text;
}

Result<int> show(const Done& done, const Common& common) {
  const std::string& output = done.command == "pack" ? done.packed : done.model;
  EDGESMITH_TRY(show_document(common, done.command + " " + done.model, as_json(done), [] { return std::string(); }));
  if (!common.json && !common.quiet) print_beside(output, as_text(done));
  return 0;
}

Result<int> run_pack(const PackFlags& flags, const Common& common) {
  const auto start = std::chrono::steady_clock::now();
  if (flags.output.empty()) return usage_error("pack: no output given", "add -o OUT.esm");
  EDGESMITH_TRY(check_stdout(common, flags.output));
  EDGESMITH_TRY(refine::check_ending(flags.output, "a packed model", ".esm"));
  EDGESMITH_TRY(refine::check_output(flags.output, std::vector{flags.model}, flags.force));
  auto files = pack::read_model(flags.model);
  if (!files) return files.error();
  const fs::path folder = fs::path(flags.model).parent_path();
  for (size_t i = 1; i < files->size(); ++i) {
    EDGESMITH_TRY(refine::check_output(flags.output, std::vector{(folder / (*files)[i].name).string()}, flags.force));
  }
  ThreadPool pool(common.threads);
  auto packed = pack::pack(*files, pool);
  if (!packed) return packed.error().in(flags.model);
  EDGESMITH_TRY(write_file(flags.output, packed->bytes, replaced_if(flags.force)));
  Done done{
      "pack", flags.output,    flags.model,         sha256_hex(std::as_bytes(std::span<const char>(packed->bytes))),
      {},     packed->summary, seconds_since(start)};
  for (size_t i = 1; i < files->size(); ++i) done.others.push_back((*files)[i].name);
  return show(done, common);
}

/// Where an external file goes. Its name comes from the .esm, so it must stay inside the output's folder.
Result<std::string> place_of(const std::string& output, const std::string& name) {
  const fs::path relative(name);
  bool climbs = name.empty() || relative.is_absolute() || !relative.has_filename();
  for (const fs::path& part : relative) climbs = climbs || part == ".." || part == ".";
  if (climbs || name.find('\0') != name.npos) {
    return invalid_error("external data '" + name + "' lie outside the model's folder", "the file was made by hand");
  }
  // A folder that is there already could be a symbolic link to elsewhere.
  const fs::path folder = fs::path(output).parent_path();
  std::error_code error;
  for (fs::path at; const fs::path& part : relative) {
    at /= part;
    if (fs::is_symlink(folder / at, error)) {
      return invalid_error("external data '" + name + "' lead through a symbolic link", "unpack into an empty folder");
    }
  }
  return (folder / relative).string();
}

Result<int> run_unpack(const PackFlags& flags, const Common& common) {
  const auto start = std::chrono::steady_clock::now();
  if (flags.output.empty()) return usage_error("unpack: no output given", "add -o MODEL.onnx");
  EDGESMITH_TRY(check_stdout(common, flags.output));
  EDGESMITH_TRY(refine::check_ending(flags.output, "ONNX", ".onnx"));
  EDGESMITH_TRY(refine::check_output(flags.output, std::vector{flags.model}, flags.force));
  auto packed = MappedFile::open(flags.model);
  if (!packed) return packed.error();
  ThreadPool pool(common.threads);
  auto unpacked = pack::unpack((*packed)->bytes(), pool);
  if (!unpacked) return unpacked.error().in(flags.model);
  // Everything is checked before anything is written; the model comes last, so that it is never there without its data.
  std::vector<std::string> places(unpacked->files.size());
  for (size_t i = 1; i < places.size(); ++i) {
    auto place = place_of(flags.output, unpacked->files[i].name);
    if (!place) return place.error().in(flags.model);
    if (fs::exists(fs::path(*place))) {
      EDGESMITH_TRY(refine::check_output(*place, std::vector{flags.model, flags.output}, flags.force));
    }
    places[i] = *place;
  }
  places[0] = flags.output;
  for (size_t i = places.size(); i-- > 0;) {
    std::error_code ignored;
    if (i > 0) fs::create_directories(fs::path(places[i]).parent_path(), ignored);
    EDGESMITH_TRY(write_file(places[i], unpacked->files[i].bytes, replaced_if(flags.force)));
  }
  Done done{"unpack",
            flags.model,
            flags.output,
            sha256_hex(std::as_bytes(std::span<const char>(unpacked->files[0].bytes))),
            {},
            unpacked->summary,
            seconds_since(start)};
  for (size_t i = 1; i < places.size(); ++i) done.others.push_back(unpacked->files[i].name);
  return show(done, common);
}

void add_options(Command* command, Program& program, PackFlags& flags, const char* model, const char* model_type,
                 const char* output, const char* output_type) {
  command->add_option("model", flags.model, model)->required()->type_name(model_type);
  command->add_option("-o,--output", flags.output, output)->type_name(output_type)->group("Output");
  command->add_flag("--force", flags.force, "overwrite an existing output")->group("Output");
  command->add_option("--threads", program.common.threads, "threads to work with (default: all cores)")
      ->between(1, 4096)
      ->type_name("N")
      ->group("Common");
}

}  // namespace

void add_pack(Program& program) {
  auto flags = std::make_shared<PackFlags>();
  Command* command = program.add_command("pack", "Write a model in the least bytes",
                                         [flags](const Common& common) { return run_pack(*flags, common); });
  add_options(command, program, *flags, "the .onnx file", "MODEL", "the packed file", "OUT.esm");
}

void add_unpack(Program& program) {
  auto flags = std::make_shared<PackFlags>();
  Command* command = program.add_command("unpack", "Restore a packed model bit for bit",
                                         [flags](const Common& common) { return run_unpack(*flags, common); });
  add_options(command, program, *flags, "the .esm file", "PACKED", "where the model goes", "OUT.onnx");
}

}  // namespace edgesmith::cli
