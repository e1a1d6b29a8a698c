#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/assert.h"

namespace lsmlab {

enum class StatusCode : unsigned char {
  kOk = 0,
  kNotFound,         // The key (or file) does not exist. Never used for damage.
  kCorruption,       // Stored bytes are not what was written; message names file, offset, expected,
                     // found.
  kInvalidArgument,  // The caller's mistake; message names value and what is allowed.
  kNotSupported,     // A composition or operation that does not exist.
  kIoError,          // The operating system refused; message names operation, file, errno text.
  kNoSpace,          // As kIoError, but the disk is full: a retry after making room may succeed.
  kBusy,             // Somebody else holds it (store lock), or a transaction lost its race.
  kAborted,          // The operation was given up, e.g. the store is closing or poisoned.
};

// The result of an operation that can fail. One word: 0 for ok and a code without a message are
// held in it, so that returning "not found" costs as little as ok; a message is owned on the heap.
// Not thread-safe; copyable.
class [[nodiscard]] Status {
 public:
  Status() noexcept = default;
  Status(StatusCode code, std::string message)
      : word_(message.empty() || code == StatusCode::kOk
                  ? WordOf(code)
                  : reinterpret_cast<uintptr_t>(new Rep{code, std::move(message)})) {}
  Status(const Status& o)
      : word_(o.HasRep() ? reinterpret_cast<uintptr_t>(new Rep(*o.rep())) : o.word_) {}
  Status(Status&& o) noexcept : word_(std::exchange(o.word_, 0)) {}
  Status& operator=(const Status& o) {
    if (this != &o) *this = Status(o);
    return *this;
  }
  Status& operator=(Status&& o) noexcept {
    Status taken(std::move(o));
    std::swap(word_, taken.word_);
    return *this;
  }
  ~Status() {
    if (HasRep()) [[unlikely]]
      delete rep();
  }

  static Status NotFound() noexcept { return Status(WordOf(StatusCode::kNotFound)); }
  static Status NotFound(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
  static Status Corruption(std::string m) { return {StatusCode::kCorruption, std::move(m)}; }
  static Status InvalidArgument(std::string m) {
    return {StatusCode::kInvalidArgument, std::move(m)};
  }
  static Status NotSupported(std::string m) { return {StatusCode::kNotSupported, std::move(m)}; }
  static Status IoError(std::string m) { return {StatusCode::kIoError, std::move(m)}; }
  static Status NoSpace(std::string m) { return {StatusCode::kNoSpace, std::move(m)}; }
  static Status Busy(std::string m) { return {StatusCode::kBusy, std::move(m)}; }
  static Status Aborted(std::string m) { return {StatusCode::kAborted, std::move(m)}; }

  bool ok() const noexcept { return word_ == 0; }
  StatusCode code() const noexcept {
    return HasRep() ? rep()->code : static_cast<StatusCode>(word_ >> 1);
  }
  bool IsNotFound() const noexcept { return code() == StatusCode::kNotFound; }
  bool IsCorruption() const noexcept { return code() == StatusCode::kCorruption; }
  std::string_view message() const noexcept {
    return HasRep() ? std::string_view(rep()->message) : std::string_view();
  }
  // "corruption: 000012.sst offset 4096: ...": one line, for people.
  std::string ToString() const;

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  // 0: ok; odd: a code above the lowest bit; else the address of a Rep.
  explicit Status(uintptr_t word) noexcept : word_(word) {}
  static constexpr uintptr_t WordOf(StatusCode code) noexcept {
    return code == StatusCode::kOk ? 0 : static_cast<uintptr_t>(code) << 1 | 1;
  }
  bool HasRep() const noexcept { return word_ != 0 && (word_ & 1) == 0; }
  Rep* rep() const noexcept { return reinterpret_cast<Rep*>(word_); }

  uintptr_t word_ = 0;
};

std::string_view StatusCodeName(StatusCode code) noexcept;

// A value or the Status that says why there is none. REQUIRES for value(): ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: implicit
  Result(Status status) : status_(std::move(status)) { LSMLAB_ASSERT(!status_.ok()); }  // NOLINT

  bool ok() const noexcept { return value_.has_value(); }
  const Status& status() const noexcept { return status_; }
  T& value() & {
    LSMLAB_ASSERT(ok());
    return *value_;
  }
  const T& value() const& {
    LSMLAB_ASSERT(ok());
    return *value_;
  }
  T&& value() && {
    LSMLAB_ASSERT(ok());
    return std::move(*value_);
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace lsmlab

// Returns early from a function (never a coroutine: there use LSMLAB_CO_TRY) with the failure.
#define LSMLAB_TRY(expression)                       \
  do {                                               \
    ::lsmlab::Status lsmlab_status_ = (expression);  \
    if (!lsmlab_status_.ok()) return lsmlab_status_; \
  } while (false)

#define LSMLAB_CO_TRY(expression)                       \
  do {                                                  \
    ::lsmlab::Status lsmlab_status_ = (expression);     \
    if (!lsmlab_status_.ok()) co_return lsmlab_status_; \
  } while (false)
