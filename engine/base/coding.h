#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "engine/base/slice.h"

// Little-endian fixed-width integers and LEB128 varints. Decoders never read past the given end,
// never trust a length, and accept only the shortest form of a varint.
namespace lsmlab {

static_assert(std::endian::native == std::endian::little, "big-endian hosts need byte swaps here");

template <typename T>
inline T LoadLe(const void* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <typename T>
inline void StoreLe(void* p, T v) noexcept {
  std::memcpy(p, &v, sizeof v);
}
inline void PutFixed16(std::string& out, uint16_t v) { out.append(reinterpret_cast<char*>(&v), 2); }
inline void PutFixed32(std::string& out, uint32_t v) { out.append(reinterpret_cast<char*>(&v), 4); }
inline void PutFixed64(std::string& out, uint64_t v) { out.append(reinterpret_cast<char*>(&v), 8); }

// Writes at most 10 bytes; returns the byte after the last one written.
inline char* EncodeVarint64(char* p, uint64_t v) noexcept {
  while (v >= 0x80) {
    *p++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *p++ = static_cast<char>(v);
  return p;
}
inline int VarintLength(uint64_t v) noexcept { return v == 0 ? 1 : (std::bit_width(v) + 6) / 7; }
inline void PutVarint64(std::string& out, uint64_t v) {
  char buf[10];
  out.append(buf, static_cast<size_t>(EncodeVarint64(buf, v) - buf));
}
inline void PutLengthPrefixed(std::string& out, Slice s) {
  PutVarint64(out, s.size());
  out.append(s);
}

// Returns the byte after the varint, or nullptr when it is truncated, longer than 10 bytes, too
// large for 64 bits, or not in its shortest form.
inline const char* DecodeVarint64(const char* p, const char* end, uint64_t* v) noexcept {
  uint64_t result = 0;
  for (int shift = 0; shift <= 63 && p < end; shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(*p++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      if (byte == 0 && shift != 0) return nullptr;
      *v = result;
      return p;
    }
  }
  return nullptr;
}

// A cursor over untrusted bytes: every Get returns false, and leaves the cursor failed, when the
// bytes do not hold what is asked for.
class Decoder {
 public:
  explicit Decoder(Slice in) noexcept : p_(in.data()), end_(in.data() + in.size()) {}
  bool ok() const noexcept { return p_ != nullptr; }
  size_t remaining() const noexcept { return ok() ? static_cast<size_t>(end_ - p_) : 0; }
  template <typename T>
  bool GetFixed(T* v) noexcept {
    if (remaining() < sizeof(T)) return Fail();
    *v = LoadLe<T>(p_);
    p_ += sizeof(T);
    return true;
  }
  bool GetVarint(uint64_t* v) noexcept {
    if (!ok()) return false;
    p_ = DecodeVarint64(p_, end_, v);
    return ok();
  }
  bool GetBytes(size_t n, Slice* out) noexcept {
    if (!ok() || remaining() < n) return Fail();
    *out = Slice(p_, n);
    p_ += n;
    return true;
  }
  bool GetLengthPrefixed(Slice* out) noexcept {
    uint64_t n;
    return GetVarint(&n) && n <= remaining() ? GetBytes(n, out) : Fail();
  }

 private:
  bool Fail() noexcept {
    p_ = nullptr;
    return false;
  }
  const char* p_;
  const char* end_;
};

}  // namespace lsmlab
