using System.Globalization;
using System.Text;
using S3dlio.IO;

namespace S3dlio.Cli.Output;

/// <summary>
/// Names that somebody else chose, for a line: one that a terminal would obey, or that would begin a new line, stands in the shell's
/// <c>$'…'</c>, which bash, zsh and ksh read back as the same bytes.
/// </summary>
static class Quoted
{
    public static string Name(string name)
    {
        if (PathText.Show(name) == name)
            return name;
        var text = new StringBuilder("$'");
        if (PathText.IsUnicode(name))
        {
            foreach (var rune in name.EnumerateRunes())
                Append(text, rune);
        }
        else
        {
            foreach (byte one in PathText.Encode(name))
                _ = one is >= 0x20 and < 0x7f and not ((byte)'\'' or (byte)'\\') ? text.Append((char)one)
                    : text.Append(CultureInfo.InvariantCulture, $"\\x{one:x2}");
        }
        return text.Append('\'').ToString();
    }

    /// <summary>A message, which is escaped already unless it came from elsewhere.</summary>
    public static string Text(string message) => PathText.Show(message);

    static void Append(StringBuilder text, Rune rune)
    {
        string one = rune.ToString();
        if (rune.Value is '\'' or '\\')
            text.Append('\\').Append(one);
        else if (PathText.Show(one) == one)
            text.Append(one);
        else if (rune.Value is '\n' or '\t' or '\r')
            text.Append(rune.Value switch { '\n' => "\\n", '\t' => "\\t", _ => "\\r" });
        else
        {
            foreach (byte part in Encoding.UTF8.GetBytes(one))
                text.Append(CultureInfo.InvariantCulture, $"\\x{part:x2}");
        }
    }
}
