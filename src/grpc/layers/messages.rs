//! How many messages a body holds, whatever pieces it comes in.

/// Follows gRPC's framing: a byte of flags, four of length, the message.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// Of the header that is being read.
    length: u32,
    /// How many bytes of that header were read.
    header: u8,
    /// Bytes of the message that are still to come.
    rest: usize,
}

/// Of a message.
const HEADER: u8 = 5;

impl Messages {
    /// How many messages begin in this piece, which follows the one before it.
    pub(super) fn in_next(&mut self, mut piece: &[u8]) -> u64 {
        let mut begun = 0;
        loop {
            let skipped = self.rest.min(piece.len());
            self.rest -= skipped;
            piece = piece.get(skipped..).unwrap_or_default();
            let Some((byte, behind)) = piece.split_first() else {
                return begun;
            };
            piece = behind;
            // The flags are shifted out by the length's four bytes.
            self.length = self.length << 8 | u32::from(*byte);
            self.header += 1;
            if self.header == HEADER {
                begun += 1;
                self.rest = usize::try_from(self.length).unwrap_or(usize::MAX);
                (self.length, self.header) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(lengths: &[u16]) -> Vec<u8> {
        let framed = lengths.iter().flat_map(|length| {
            let header = [1].into_iter().chain(u32::from(*length).to_be_bytes());
            header.chain(std::iter::repeat_n(7, usize::from(*length)))
        });
        framed.collect()
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            lengths in prop::collection::vec(0_u16..700, 0..20),
            cuts in prop::collection::vec(1_usize..400, 1..20),
        ) {
            let body = framed(&lengths);
            let (mut messages, mut count, mut at) = (Messages::default(), 0, 0);
            for cut in cuts.iter().cycle() {
                let end = (at + cut).min(body.len());
                count += messages.in_next(&body[at..end]);
                at = end;
                if at == body.len() {
                    break;
                }
            }
            prop_assert_eq!(count, lengths.len() as u64);
        }
    }
}
