// SPDX-License-Identifier: Apache-2.0
#include "passes/quantize/options.h"

#include <algorithm>

namespace edgesmith::passes::quantize {

using reconstruct::BitSharing;

const OptionSchema& quantize_options() {
  static const OptionSchema kSchema = {
      {.name = "weights",
       .kind = OptionKind::word,
       .fallback = "int8",
       .help = "type of the weights",
       .words = {"int8", "int4", "int3", "int2"}},
      {.name = "bits_per_layer",
       .kind = OptionKind::word,
       .fallback = "uniform",
       .help =
           "uniform: what weights says; auto: 2 to 8 bits a layer with the least expected output error, in the bytes "
           "of the uniform width unless size or sqnr is given",
       .words = {"uniform", "auto"}},
      {.name = "size",
       .kind = OptionKind::integer,
       .fallback = "",
       .help =
           "bytes that codes and scales may take: counted at their bits; rate-aware: as pack is expected to code them",
       .min = 1,
       .max = 1e15},
      reconstruct::sqnr_option(),
      {.name = "activations",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "type of the values between operators; auto: the target's with int8 weights, else (and with bits that "
               "layers share) float",
       .words = {"auto", "float", "int8", "uint8", "int16"}},
      {.name = "asymmetric", .kind = OptionKind::flag, .fallback = "false", .help = "zero points for the weights"},
      {.name = "block",
       .kind = OptionKind::integer,
       .fallback = "",
       .help = "input channels that share a scale, instead of all of an output; arithmetic of such layers is float",
       .min = 1,
       .max = 65536},
      {.name = "repair",
       .kind = OptionKind::word,
       .fallback = "reconstruct",
       .help = "codes that keep each layer's output; none: the nearest ones; distill: then also train",
       .words = {"reconstruct", "none", "distill"}},
      {.name = "calibrator",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help = "how ranges are found; auto: by measured error, never worse than minmax",
       .words = {"auto", "minmax", "moving-average", "percentile", "mse", "entropy"}},
      {.name = "percentile",
       .kind = OptionKind::real,
       .fallback = "99.99",
       .help = "percent of the values that the percentile calibrator keeps",
       .min = 50,
       .max = 100},
      {.name = "per_tensor",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "one scale a weight tensor instead of one an output channel"},
      {.name = "rounding",
       .kind = OptionKind::word,
       .fallback = "compensated",
       .help =
           "how weights are rounded; compensated: so that the layer's output is kept; rate-aware: also to codes that "
           "pack spends few bits on, as many as size allows",
       .words = {"compensated", "nearest", "rate-aware"}},
      {.name = "bias_correction",
       .kind = OptionKind::flag,
       .fallback = "true",
       .help = "let biases make up for the mean error of the weights, where that helps"},
      {.name = "pair_safe",
       .kind = OptionKind::word,
       .fallback = "auto",
       .help =
           "bound weights so that 16-bit pair sums never saturate; auto: what the target needs; neighbours: the pairs "
           "that kernels add; on: any two of a channel; half-range: every weight by half",
       .words = {"auto", "neighbours", "on", "half-range", "off"}},
      {.name = "weights_only",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help = "quantize weights alone, without calibration data; arithmetic stays float"},
      {.name = "dynamic",
       .kind = OptionKind::flag,
       .fallback = "false",
       .help =
           "int8 weights of MatMul, Gemm and LSTM; their inputs become codes at run time, without calibration data"},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to quantize"},
      {.name = "skip", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of nodes to leave float"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave float"},
  };
  return kSchema;
}

WeightSettings weight_settings(const Options& options, const targets::Target& target) {
  WeightSettings settings{.rule = target.pair_rule, .per_tensor = options.flag("per_tensor") || !target.per_channel};
  if (options.word("pair_safe") == "neighbours") settings.rule = targets::PairRule::neighbours_to_128;
  if (options.word("pair_safe") == "on") settings.rule = targets::PairRule::pairs_to_128;
  if (options.word("pair_safe") == "half-range") settings.rule = targets::PairRule::half_range;
  if (options.word("pair_safe") == "off") settings.rule = targets::PairRule::none;
  const bool repair = options.word("repair") != "none";
  settings.compensate = repair && options.word("rounding") == "compensated";
  settings.correct_bias = repair && options.flag("bias_correction");
  return settings;
}

Result<reconstruct::BitOptions> bit_options(const Options& options, bool data) {
  auto bits = reconstruct::read_bit_options(options, "weights", "codes and scales");
  if (!bits || bits->sharing == BitSharing::uniform) return bits;
  if (bits->sharing == BitSharing::rate_aware && (options.flag("asymmetric") || options.is_set("block"))) {
    return usage_error("rate-aware rounding gives every output one symmetric scale",
                       "leave --asymmetric and --block out");
  }
  if (options.word("repair") == "none" || options.word("rounding") == "nearest" || options.flag("weights_only")) {
    return usage_error("sharing bits out needs the errors of layers on calibration data",
                       "leave --repair none, --rounding nearest and --weights-only out");
  }
  if (!data) return usage_error("sharing bits out needs calibration data", "give some with --calib");
  return bits;
}

Form form_of(const Options& options) {
  const std::string& activations = options.word("activations");
  const bool shared = options.word("bits_per_layer") == "auto" || options.word("rounding") == "rate-aware" ||
                      options.is_set("size") || options.is_set("sqnr");
  Form form;
  form.few_bits = options.word("weights") != "int8" || shared;
  form.integer_weights =
      !form.few_bits && activations != "float" && !options.flag("asymmetric") && !options.is_set("block");
  form.floating = activations == "float" || (activations == "auto" && form.few_bits) || options.flag("weights_only");
  return form;
}

Status check_quantize(const Options& options) {
  if (options.flag("dynamic")) return check_dynamic(options);
  const Form form = form_of(options);
  const std::string& calibrator = options.word("calibrator");
  if (form.floating) {
    for (const char* name : {"calibrator", "percentile", "pair_safe"}) {
      if (!options.given(name)) continue;
      return usage_error(std::string(name) + " is about integers between operators, and those values stay float here",
                         "leave it out, or give --activations int8 and no --weights-only");
    }
  }
  if (options.given("percentile") && calibrator != "percentile" && calibrator != "auto") {
    return usage_error("percentile is for the calibrator of that name, and " + calibrator + " was asked for",
                       "leave it out, or give --calibrator percentile");
  }
  if (options.flag("per_tensor") && !form.integer_weights) {
    return usage_error(options.is_set("block") ? "block and per_tensor say two things of one scale"
                                               : "per_tensor is for symmetric int8 weights and integer values",
                       options.is_set("block") ? "leave one of them out" : "leave it out");
  }
  return {};
}

Status check_dynamic(const Options& options) {
  for (const char* name : {"weights", "bits_per_layer", "size", "sqnr", "activations", "asymmetric", "block", "repair",
                           "calibrator", "percentile", "rounding", "bias_correction", "weights_only"}) {
    if (!options.given(name)) continue;
    std::string flag(name);
    std::replace(flag.begin(), flag.end(), '_', '-');
    return usage_error("--dynamic and --" + flag + " do not go together", "leave one of them out");
  }
  return {};
}

}  // namespace edgesmith::passes::quantize
