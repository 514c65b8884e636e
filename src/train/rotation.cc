// SPDX-License-Identifier: Apache-2.0
#include "train/rotation.h"

#include <algorithm>
#include <utility>

#include "ops/orthonormal.h"
#include "runtime/isa.h"

namespace edgesmith::train {
namespace {

using View = runtime::native::MatrixView;

// What longer sides would cost exceeds what training does with them.
constexpr int64_t kLongestSide = 1024;
// Share of the second moments that stays at each step: about fifty steps count.
constexpr float kKeep = 0.98F;
// Steps from one set of axes to the next; in the beginning, when moments are of few gradients, fewer.
constexpr int64_t kSteps = 40, kFirstSteps = 10;

bool new_axes_at(int64_t number) { return number == 1 || number % (number <= kSteps ? kFirstSteps : kSteps) == 0; }

View view(std::span<const float> numbers, int64_t rows, int64_t columns) {
  return {numbers.data(), columns, 1, rows, columns};
}
View transposed(const View& matrix) {
  return {matrix.data, matrix.column_stride, matrix.row_stride, matrix.columns, matrix.rows};
}

std::vector<float> product(const View& a, const View& b) {
  const runtime::native::NativeTable& table = runtime::native::native_table(*runtime::isa_in_use());
  std::vector<float> packed(static_cast<size_t>(runtime::native::packed_columns_size(b.columns, b.rows, table)));
  runtime::native::pack_columns(b, 1.0F, table, packed.data());
  std::vector<float> result(static_cast<size_t>(a.rows * b.columns));
  runtime::native::multiply(table, {a, packed.data(), b.columns, nullptr, result.data(), b.columns}, {});
  return result;
}

void set(std::span<float> numbers, const std::vector<float>& values) {
  std::copy(values.begin(), values.end(), numbers.begin());
}

}  // namespace

Rotation::Rotation(int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {
  for (auto [side, size] : {std::pair{&left_, rows}, std::pair{&right_, columns}}) {
    if (size > kLongestSide) continue;
    side->size = size;
    side->moments.resize(static_cast<size_t>(size * size));
    side->axes.resize(side->moments.size());
    for (int64_t i = 0; i < size; ++i) side->axes[static_cast<size_t>(i * (size + 1))] = 1;
  }
}

void Rotation::add_moments(Side& side, const View& a, const View& b) {
  if (side.size == 0) return;
  const std::vector<float> squares = product(a, b);
  for (size_t i = 0; i < squares.size(); ++i) {
    side.moments[i] = kKeep * side.moments[i] + (1 - kKeep) * squares[i];
  }
}

// After the first time one step of power iteration with a QR decomposition (algorithm 4 there), which follows slow
// changes at a fraction of the time.
void Rotation::find_axes(Side& side, bool first) {
  if (side.size == 0) return;
  side.axes =
      first ? ops::eigenvectors(side.moments, side.size)
            : ops::orthonormal_columns(
                  product(view(side.moments, side.size, side.size), view(side.axes, side.size, side.size)), side.size);
}

void Rotation::learn(int64_t number, std::span<const float> gradient, std::span<float> mean) {
  const View g = view(gradient, rows_, columns_);
  add_moments(left_, g, transposed(g));
  add_moments(right_, transposed(g), g);
  if (!new_axes_at(number)) return;
  leave(mean);
  find_axes(left_, number == 1);
  find_axes(right_, number == 1);
  enter(mean);
}

void Rotation::enter(std::span<float> numbers) const {
  const View matrix = view(numbers, rows_, columns_);
  if (left_.size > 0) set(numbers, product(transposed(view(left_.axes, rows_, rows_)), matrix));
  if (right_.size > 0) set(numbers, product(matrix, view(right_.axes, columns_, columns_)));
}

void Rotation::leave(std::span<float> numbers) const {
  const View matrix = view(numbers, rows_, columns_);
  if (left_.size > 0) set(numbers, product(view(left_.axes, rows_, rows_), matrix));
  if (right_.size > 0) set(numbers, product(matrix, transposed(view(right_.axes, columns_, columns_))));
}

std::vector<std::vector<float>*> Rotation::arrays() {
  return {&left_.moments, &left_.axes, &right_.moments, &right_.axes};
}

}  // namespace edgesmith::train
