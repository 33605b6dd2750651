using System.Buffers;
using System.Text.Encodings.Web;
using S3dlio.IO;

namespace S3dlio.Native;

/// <summary>
/// JSON that keeps what <see cref="PathText"/> makes of bytes that are not UTF-8: a lone surrogate is written as its escape, such as
/// <c>\udcff</c>, where the usual encoder writes U+FFFD.
/// </summary>
sealed unsafe class PathEncoder : JavaScriptEncoder
{
    public static readonly PathEncoder Instance = new();

    const int EscapeLength = 6;

    public override int MaxOutputCharactersPerInputCharacter => Default.MaxOutputCharactersPerInputCharacter;

    public override int FindFirstCharacterToEncode(char* text, int textLength) => Default.FindFirstCharacterToEncode(text, textLength);

    public override bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
        Default.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);

    public override bool WillEncode(int unicodeScalar) => Default.WillEncode(unicodeScalar);

    public override OperationStatus Encode(
        ReadOnlySpan<char> source, Span<char> destination, out int charsConsumed, out int charsWritten, bool isFinalBlock = true)
    {
        charsConsumed = charsWritten = 0;
        while (true)
        {
            var left = source[charsConsumed..];
            int lone = PathText.FirstLone(left);
            var status = Default.Encode(
                lone < 0 ? left : left[..lone], destination[charsWritten..], out int read, out int written, isFinalBlock || lone >= 0);
            charsConsumed += read;
            charsWritten += written;
            if (lone < 0 || status != OperationStatus.Done)
                return status;
            if (destination.Length - charsWritten < EscapeLength)
                return OperationStatus.DestinationTooSmall;
            $"\\u{(int)source[charsConsumed++]:x4}".CopyTo(destination[charsWritten..]);
            charsWritten += EscapeLength;
        }
    }
}
