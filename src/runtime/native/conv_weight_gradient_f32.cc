// SPDX-License-Identifier: Apache-2.0
// The gradient of a convolution's weight as a matrix product: output channels by (tap, input channel), summed over the
// places of all samples.
//
//   dy [place][output channels]', packed     times     x [place of the window + tap][input channels]
//
// Input planes are turned so that channels lie side by side, with their padding; for every place the columns of a tile
// are then whole vectors of that picture, and a table of offsets leads from place to place. Where channels fill
// vectors, a vector is so many channels at one tap. Else it is part of a run of neighbouring columns of the picture,
// which are neighbours in memory, and where such runs are short they are first packed into a panel.
//
// Sums run over samples, then places, in ascending order with one fused multiply-add each, whatever is done at a time.
#include <algorithm>
#include <vector>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/packing.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

// So many places at a time: both operands of the products stay in the caches. Samples of fewer places go together.
constexpr int64_t kPassLength = 1024, kTogether = 512;
// Most bytes of turned pictures, and of a panel, at a time.
constexpr int64_t kPictureBytes = int64_t{256} << 10, kPanelBytes = int64_t{256} << 10;
// Copying a run of a panel costs about as much as multiplying a vector with so many output channels.
constexpr int64_t kRunCost = 3;

// A vector of columns: where it begins behind a place of the picture, how many numbers it holds.
struct ColumnVector {
  int64_t source;
  int count;
};

struct Shape : Prepared {
  int64_t samples = 0, channels = 0, height = 1, width = 0, out_channels = 0, places = 0;
  int64_t groups = 1, group_channels = 0, group_out = 0, taps = 0;
  int64_t pad_top = 0, pad_left = 0;
  bool blocked = false;  // vectors of channels at one tap, pictures as NativeTable::block_rows makes them
  bool packed = false;   // runs are copied into panels
  int64_t rows = 0, pitch = 0, picture = 0, group_step = 0;  // of a turned picture; floats of one, and between groups
  int64_t together = 1, pass = 0;
  std::vector<int64_t> offsets;       // of the places of `together` samples
  std::vector<Segment> runs;          // with packed: the columns of a group
  std::vector<ColumnVector> vectors;  // the same in vectors
  std::vector<int64_t> column_of;     // [channel of a group][tap] -> column of the sums
  int64_t columns = 0;                // of the sums of a group, in whole vectors
};

// What lies where in scratch.
struct Scratch {
  Scratch(const Shape& s, const NativeTable& table, std::byte* base) {
    const auto take = [&](int64_t floats) {
      auto* p = base == nullptr ? nullptr : reinterpret_cast<float*>(base) + used;
      used += round_up(floats, 16);
      return p;
    };
    pictures = take(s.together * s.picture + table.nr);
    gradients = take(s.out_channels * s.pass);
    panel = take(s.packed ? s.pass * s.columns + 2 * table.lanes : 0);
    sums = take(s.out_channels * s.columns);
  }
  float *pictures, *gradients, *panel, *sums;
  int64_t used = 0;
};

// The vectors of a run of `length` columns.
void add_vectors(int64_t source, int64_t length, int lanes, std::vector<ColumnVector>& out) {
  for (int64_t at = 0; at < length; at += lanes) {
    out.push_back({source + at, static_cast<int>(std::min<int64_t>(lanes, length - at))});
  }
}

// How columns lie where every vector is a block of channels at one tap.
void find_blocks(Shape& s, int lanes, const std::vector<int64_t>& tap_places) {
  s.picture = round_up(s.channels, lanes) * s.rows * s.pitch;
  s.group_step = s.group_channels * s.rows * s.pitch;
  const int64_t blocks = s.group_channels / lanes;
  for (int64_t b = 0; b < blocks; ++b) {
    for (const int64_t place : tap_places) s.vectors.push_back({(b * s.rows * s.pitch + place) * lanes, lanes});
  }
  for (int64_t c = 0; c < s.group_channels; ++c) {
    for (int64_t t = 0; t < s.taps; ++t) s.column_of.push_back((c / lanes * s.taps + t) * lanes + c % lanes);
  }
}

// How columns lie in pictures of channels side by side. `kernel_w` taps in a row are neighbours where `dense`.
void find_runs(Shape& s, int lanes, const std::vector<int64_t>& tap_places, int64_t kernel_w, bool dense) {
  s.picture = s.channels * s.rows * s.pitch;
  s.group_step = s.group_channels;
  const int64_t taps_of_run = dense ? kernel_w : 1, length = taps_of_run * s.group_channels;
  const int64_t num_runs = s.taps / taps_of_run;
  for (int64_t r = 0; r < num_runs; ++r) {
    const int64_t source = tap_places[static_cast<size_t>(r * taps_of_run)] * s.channels;
    s.runs.push_back({source, static_cast<int>(length), static_cast<int>(r * length)});
    add_vectors(source, length, lanes, s.vectors);
  }
  const auto apart = static_cast<int64_t>(s.vectors.size());
  const int64_t close = round_up(s.taps * s.group_channels, lanes) / lanes;
  s.packed = (apart - close) * s.group_out > kRunCost * num_runs;
  if (s.packed) {
    s.vectors.clear();
    add_vectors(0, s.taps * s.group_channels, lanes, s.vectors);
  }
  const int64_t step = s.packed ? length : round_up(length, lanes);
  for (int64_t c = 0; c < s.group_channels; ++c) {
    for (int64_t t = 0; t < s.taps; ++t) {
      s.column_of.push_back(t / taps_of_run * step + t % taps_of_run * s.group_channels + c);
    }
  }
}

Result<std::shared_ptr<Shape>> shape_of(const ir::Node& node, const ir::Dims& x, const ir::Dims& dy,
                                        const NativeTable& table) {
  const ir::Ints kernel = node.attributes().get_ints("kernel_shape");
  const size_t rank = kernel.size();
  auto out = std::make_shared<Shape>();
  Shape& s = *out;
  s.groups = node.attributes().get_int("group", 1);
  if (x.size() != rank + 2 || dy.size() != rank + 2 || x[0] != dy[0] || x[1] % s.groups != 0 || dy[1] % s.groups != 0) {
    return invalid_error("operands " + ir::type_of(ir::DType::f32, x).text() + " and " +
                         ir::type_of(ir::DType::f32, dy).text() + " do not fit each other");
  }
  const ir::Ints strides = node.attributes().get_ints("strides", ir::Ints(rank, 1));
  const ir::Ints dilations = node.attributes().get_ints("dilations", ir::Ints(rank, 1));
  const ir::Ints pads = node.attributes().get_ints("pads", ir::Ints(2 * rank, 0));
  const bool flat = rank == 1;
  const size_t last = rank - 1;
  const int64_t kernel_h = flat ? 1 : kernel[0], kernel_w = kernel[last];
  const int64_t stride_y = flat ? 1 : strides[0], stride_x = strides[last];
  const int64_t dilation_y = flat ? 1 : dilations[0], dilation_x = dilations[last];
  const int64_t out_height = flat ? 1 : dy[2], out_width = dy[last + 2];
  s.samples = x[0];
  s.channels = x[1];
  s.height = flat ? 1 : x[2];
  s.width = x[last + 2];
  s.pad_top = flat ? 0 : pads[0];
  s.pad_left = pads[last];
  s.out_channels = dy[1];
  s.places = out_height * out_width;
  s.group_channels = s.channels / s.groups;
  s.group_out = s.out_channels / s.groups;
  s.taps = kernel_h * kernel_w;
  s.rows = std::max<int64_t>(0, out_height - 1) * stride_y + (kernel_h - 1) * dilation_y + 1;
  s.pitch =
      std::max(std::max<int64_t>(0, out_width - 1) * stride_x + (kernel_w - 1) * dilation_x + 1, s.pad_left + s.width);
  std::vector<int64_t> tap_places;
  for (int64_t ky = 0; ky < kernel_h; ++ky) {
    for (int64_t kx = 0; kx < kernel_w; ++kx) tap_places.push_back(ky * dilation_y * s.pitch + kx * dilation_x);
  }
  s.blocked = s.group_channels % table.lanes == 0;
  if (s.blocked) {
    find_blocks(s, table.lanes, tap_places);
  } else {
    find_runs(s, table.lanes, tap_places, kernel_w, s.groups == 1 && dilation_x == 1);
  }
  s.columns = static_cast<int64_t>(s.vectors.size()) * table.lanes;
  const int64_t places = std::max<int64_t>(1, s.places);
  s.together = std::clamp<int64_t>(std::min(kTogether / places, kPictureBytes / 4 / std::max<int64_t>(1, s.picture)), 1,
                                   std::max<int64_t>(1, s.samples));
  s.pass = std::min(s.together * places, kPassLength);
  if (s.packed) s.pass = std::min(s.pass, std::max<int64_t>(64, kPanelBytes / 4 / s.columns));
  const int64_t step = s.blocked ? table.lanes : s.channels;
  for (int64_t n = 0; n < s.together; ++n) {
    for (int64_t y = 0; y < out_height; ++y) {
      for (int64_t p = 0; p < out_width; ++p) {
        s.offsets.push_back(n * s.picture + (y * stride_y * s.pitch + p * stride_x) * step);
      }
    }
  }
  return out;
}

// Turns the planes of one sample into a picture.
void turn(const Shape& s, const NativeTable& table, const float* in, float* out) {
  if (s.blocked) {
    return table.block_rows({in, s.channels, s.height, s.width, -s.pad_top, s.rows, s.pad_left, s.pitch, out});
  }
  const int64_t plane = s.height * s.width, row_floats = s.pitch * s.channels;
  const int64_t first = s.pad_top, end = std::min(s.rows, s.pad_top + s.height);
  std::fill(out, out + std::min(first, s.rows) * row_floats, 0.0F);
  for (int64_t r = first; r < end; ++r) {
    float* row = out + r * row_floats;
    const float* from = in + (r - first) * s.width;
    std::fill(row, row + s.pad_left * s.channels, 0.0F);
    float* inside = row + s.pad_left * s.channels;
    if (s.channels == 1) {
      std::copy(from, from + s.width, inside);
    } else {
      table.transpose(from, s.channels, s.width, plane, inside, s.channels, nullptr, {});
    }
    std::fill(inside + s.width * s.channels, row + row_floats, 0.0F);
  }
  if (end < s.rows) std::fill(out + std::max(first, end) * row_floats, out + s.rows * row_floats, 0.0F);
}

// Packs dy at `count` places from `first` on, counted over samples, as pack_rows() does.
void pack_gradients(const Shape& s, const NativeTable& table, const float* dy, int64_t first, int64_t count,
                    float* out) {
  for (int64_t g = 0; g < s.groups; ++g) {
    for_even_runs(s.group_out, table.packed_rows, [&](int64_t row, int64_t rows) {
      for (int64_t at = first; at < first + count;) {
        const int64_t sample = at / s.places, place = at % s.places;
        const int64_t run = std::min(s.places - place, first + count - at);
        const float* from = dy + (sample * s.out_channels + g * s.group_out + row) * s.places + place;
        table.transpose(from, rows, run, s.places, out, rows, nullptr, {});
        out += run * rows;
        at += run;
      }
    });
  }
}

// Adds the products of `count` places from `first` on of the samples at hand.
void add_products(const Shape& s, const NativeTable& table, const Scratch& scratch, int64_t first, int64_t count,
                  bool add) {
  const Epilogue none;
  const int64_t* offsets = s.offsets.data() + first;
  for (int64_t g = 0; g < s.groups; ++g) {
    const float* picture = scratch.pictures + g * s.group_step;
    if (s.packed) {
      table.pack_panel(picture, offsets, count, s.runs.data(), static_cast<int>(s.runs.size()), scratch.panel,
                       static_cast<int>(s.columns));
    }
    Tile tile = {};
    tile.a = scratch.gradients + g * s.group_out * count;
    tile.packed_k = count;
    tile.rows = s.group_out;
    tile.k = count;
    tile.b = s.packed ? scratch.panel : picture;
    tile.offsets = s.packed ? nullptr : offsets;
    tile.ldb = s.packed ? s.columns : 0;
    tile.add = add;
    tile.c = scratch.sums + g * s.group_out * s.columns;
    tile.ldc = s.columns;
    tile.epilogue = &none;
    for_even_runs(static_cast<int64_t>(s.vectors.size()), table.packed_vectors, [&](int64_t vector, int64_t vectors) {
      tile.vectors = static_cast<int>(vectors);
      for (int64_t v = 0; v < vectors; ++v) {
        const ColumnVector& from = s.vectors[static_cast<size_t>(vector + v)];
        tile.source[v] = from.source;
        tile.target[v] = (vector + v) * table.lanes;
        tile.count[v] = from.count;
      }
      table.gemm_tile(tile);
    });
  }
}

bool supports(const ir::Node& node) {
  if (!all_float(node)) return false;
  const size_t rank = node.attributes().get_ints("kernel_shape").size();
  if (rank != 1 && rank != 2) return false;
  if (node.attributes().get_int("group", 1) == 1) return true;
  const auto weight = node.output().type().static_dims();  // depthwise: nothing to multiply matrices of
  return weight && (*weight)[1] > 1;
}

Result<int64_t> scratch_bytes(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&, Isa isa) {
  const NativeTable& table = native_table(isa);
  const auto shape = shape_of(node, *inputs[0], *inputs[1], table);
  if (!shape) return shape.error();
  return Scratch(**shape, table, nullptr).used * 4;
}

Result<std::shared_ptr<const Prepared>> bind(const ir::Node& node, const Prepared*, OperandDims inputs, const ir::Dims&,
                                             Isa isa) {
  auto shape = shape_of(node, *inputs[0], *inputs[1], native_table(isa));
  if (!shape) return shape.error();
  return std::shared_ptr<const Prepared>(std::move(*shape));
}

Status run(const KernelCall& call) {
  const auto& s = static_cast<const Shape&>(*call.bound);
  const NativeTable& table = native_table(call.isa);
  const Scratch scratch(s, table, call.scratch);
  const float* x = call.inputs[0]->data<float>().data();
  const float* dy = call.inputs[1]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t size = s.group_channels * s.taps;
  if (s.samples * s.places == 0) std::fill(out, out + s.out_channels * size, 0.0F);
  if (s.out_channels * size * s.samples * s.places == 0) return {};
  float* end = scratch.pictures + s.together * s.picture;  // read, but not used
  std::fill(end, end + table.nr, 0.0F);
  for (int64_t n = 0; n < s.samples; n += s.together) {
    const int64_t count = std::min(s.together, s.samples - n);
    for (int64_t i = 0; i < count; ++i) {
      turn(s, table, x + (n + i) * s.channels * s.height * s.width, scratch.pictures + i * s.picture);
    }
    for_even_runs(count * s.places, s.pass, [&](int64_t first, int64_t places) {
      pack_gradients(s, table, dy + n * s.out_channels * s.places, first, places, scratch.gradients);
      add_products(s, table, scratch, first, places, n > 0 || first > 0);
    });
  }
  for (int64_t m = 0; m < s.out_channels; ++m) {
    const float* sums = scratch.sums + m * s.columns;
    for (const int64_t column : s.column_of) *out++ = sums[column];
  }
  return {};
}

}  // namespace

const Kernel kConvWeightGradientF32 = {.provider = "native",
                                       .name = "conv_weight_gradient_f32",
                                       .op = ir::OpKind::conv_weight_gradient,
                                       .supports = supports,
                                       .scratch_bytes = scratch_bytes,
                                       .bind = bind,
                                       .run = run};

}  // namespace edgesmith::runtime::native
