//! The `Image` format of Linux: a raw kernel with a 64-byte header.
//!
//! Source: Linux, `Documentation/arch/riscv/boot-image-header.rst` and
//! `Documentation/arch/arm64/booting.rst`, which share the layout: text offset at 8, image size
//! at 16, magic at 56, all little-endian.

/// The magic number at offset 56 that tells the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageMagic(pub [u8; 4]);

impl ImageMagic {
    /// RISC-V.
    pub const RISCV: Self = Self(*b"RSC\x05");
    /// `AArch64`.
    pub const AARCH64: Self = Self(*b"ARM\x64");
}

/// The header of a Linux `Image`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinuxImage {
    /// The architecture.
    pub magic: ImageMagic,
    /// Where the image goes, in bytes from a 2 MiB boundary.
    pub text_offset: u64,
    /// Memory that the kernel takes from there, its zeroed data included.
    pub image_bytes: u64,
}

impl LinuxImage {
    /// Reads the header, if there is one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let magic = ImageMagic(bytes.get(56..60)?.try_into().ok()?);
        let known = magic == ImageMagic::RISCV || magic == ImageMagic::AARCH64;
        let (text_offset, image_bytes) = (word(8)?, word(16)?);
        known.then_some(Self { magic, text_offset, image_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_told_by_its_magic_and_its_length() {
        let mut header = [0_u8; 64];
        header[8..16].copy_from_slice(&0x20_0000_u64.to_le_bytes());
        header[16..24].copy_from_slice(&0x123_4000_u64.to_le_bytes());
        header[56..60].copy_from_slice(b"RSC\x05");
        let expected = LinuxImage {
            magic: ImageMagic::RISCV,
            text_offset: 0x20_0000,
            image_bytes: 0x123_4000,
        };
        assert_eq!(LinuxImage::parse(&header), Some(expected));
        assert_eq!(LinuxImage::parse(&header[..59]), None);
        header[59] = 6;
        assert_eq!(LinuxImage::parse(&header), None);
    }
}
