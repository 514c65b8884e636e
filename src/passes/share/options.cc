// SPDX-License-Identifier: Apache-2.0
#include "passes/share/options.h"

namespace edgesmith::passes::share {
namespace {

// Fewer are not foreseen.
constexpr int kFewestRatedBits = 2;

}  // namespace

const OptionSchema& share_options() {
  static const OptionSchema kSchema = {
      {.name = "bits",
       .kind = OptionKind::integer,
       .fallback = "4",
       .help = "bits of an index: a codebook has at most 2^bits entries",
       .min = 1,
       .max = 8},
      {.name = "bits_per_layer",
       .kind = OptionKind::word,
       .fallback = "uniform",
       .help =
           "uniform: what bits says; auto: 1 to 8 bits a layer with the least expected output error, in the bytes of "
           "the uniform width unless size or sqnr is given",
       .words = {"uniform", "auto"}},
      {.name = "size",
       .kind = OptionKind::integer,
       .fallback = "",
       .help =
           "bytes that indices and codebooks may take: counted at their bits; rate-aware: as pack is expected to code "
           "them",
       .min = 1,
       .max = 1e15},
      reconstruct::sqnr_option(),
      {.name = "codebook",
       .kind = OptionKind::word,
       .fallback = "group",
       .help = "what shares a codebook: a group of output channels; the whole tensor; scaled: the whole tensor, with a "
               "scale a channel (entries are int8 then)",
       .words = {"group", "tensor", "scaled"}},
      {.name = "group",
       .kind = OptionKind::integer,
       .fallback = "16",
       .help = "output channels that share a codebook; groups are made as equal as can be",
       .min = 1,
       .max = 1e9},
      {.name = "entries",
       .kind = OptionKind::word,
       .fallback = "float",
       .help = "type of a codebook's entries; int8: integer arithmetic reads them as they are",
       .words = {"float", "int8"}},
      {.name = "repair",
       .kind = OptionKind::word,
       .fallback = "reconstruct",
       .help = "fit indices and codebooks to the layer's outputs; none: to the weights alone; distill: then also train",
       .words = {"reconstruct", "none", "distill"}},
      {.name = "rounding",
       .kind = OptionKind::word,
       .fallback = "compensated",
       .help = "how entries are chosen; compensated: so that the layer's output is kept; rate-aware: also those whose "
               "indices pack spends few bits on, as many as size allows",
       .words = {"compensated", "rate-aware"}},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to share"},
      {.name = "skip", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of nodes to leave alone"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave alone"},
  };
  return kSchema;
}

Result<ShareOptions> read_options(const Options& options, bool data) {
  ShareOptions read;
  ShareSettings& settings = read.settings;
  settings.bits = static_cast<int>(options.integer("bits"));
  settings.group = options.integer("group");
  settings.scaled = options.word("codebook") == "scaled";
  settings.whole = options.word("codebook") != "group";
  settings.int8 = settings.scaled || options.word("entries") == "int8";
  read.repair = options.word("repair") != "none";
  if (settings.scaled && options.given("entries") && options.word("entries") == "float") {
    return usage_error("a scaled codebook has entries of int8", "leave --entries out, or use --codebook group");
  }
  if (read.repair && !data) {
    return usage_error("share needs calibration data", "give some with --calib, or use --repair none");
  }
  auto bits = reconstruct::read_bit_options(options, "bits", "indices and codebooks");
  if (!bits) return bits.error();
  read.bits = *std::move(bits);
  if (read.bits.sharing != BitSharing::uniform && !read.repair) {
    return usage_error("sharing bits out needs the errors of layers on calibration data", "leave --repair none out");
  }
  if (read.bits.sharing == BitSharing::rate_aware && settings.bits < kFewestRatedBits) {
    return usage_error("rate-aware rounding chooses among four entries or more", "give --bits 2 or more");
  }
  return read;
}

}  // namespace edgesmith::passes::share
