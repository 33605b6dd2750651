using System.Globalization;
using System.Text;

namespace S3dlio.Tensors;

/// <summary>
/// Strings as <c>ast.literal_eval</c> takes them: with or without u and r, in one or three quotes, joined where several follow each other,
/// with every escape but <c>\N{name}</c>, for which the names of Unicode would be needed.
/// </summary>
ref partial struct PythonLiteral
{
    /// <param name="Value">What Python makes of it.</param>
    /// <param name="Shown">For messages: as it stands, where it is one plain string.</param>
    readonly record struct StringToken(string Value, string Shown);

    /// <summary>The value of a string.</summary>
    internal string String(string what) => Token(what).Value;

    StringToken Token(string what)
    {
        SkipSpace();
        if (!IsAtString)
            throw Unexpected(what);
        int begin = position, end, pieces = 0;
        var value = new StringBuilder();
        bool plain = true;
        do
        {
            plain &= Piece(value);
            end = position;
            pieces++;
            SkipSpace();
        }
        while (IsAtString);
        string found = value.ToString();
        if (plain && pieces == 1)
            return new StringToken(found, text[(begin + 1)..(end - 1)].ToString());
        Replace(begin, end, Repr(found));
        return new StringToken(found, found);
    }

    readonly bool IsAtString
    {
        get
        {
            int at = position;
            if (at < text.Length && text[at] is 'u' or 'U' or 'r' or 'R')
                at++;
            return at < text.Length && text[at] is '\'' or '"';
        }
    }

    /// <summary>One string.</summary>
    /// <returns>True for one that Python's <c>repr</c> could have written.</returns>
    bool Piece(StringBuilder value)
    {
        char prefix = text[position] is '\'' or '"' ? '\0' : text[position++];
        bool raw = prefix is 'r' or 'R', plain = prefix == '\0';
        char quote = text[position];
        bool triple = text[position..].StartsWith([quote, quote, quote]);
        position += triple ? 3 : 1;
        plain &= !triple;
        while (position < text.Length)
        {
            char next = text[position];
            if (next == quote && (!triple || text[position..].StartsWith([quote, quote, quote])))
            {
                position += triple ? 3 : 1;
                return plain;
            }
            if (next == '\0' || (!triple && next is '\n' or '\r'))
                throw Unexpected("a string without control characters");
            plain &= next >= ' ';
            if (next != '\\')
            {
                value.Append(next);
                position++;
            }
            else if (!raw)
            {
                plain &= Escape(value);
            }
            else
            {
                // what a backslash stands before does not end the string, and both stay
                value.Append(text.Slice(position, Math.Min(2, text.Length - position)));
                position += 2;
            }
        }
        position = text.Length;
        throw Unexpected("the end of a string");
    }

    /// <returns>True for those that <c>repr</c> writes.</returns>
    bool Escape(StringBuilder value)
    {
        int at = position++;
        char kind = position < text.Length ? text[position++] : 'N';
        switch (kind)
        {
            case '\\' or '\'' or '"':
                value.Append(kind);
                return true;
            case 'n' or 'r' or 't':
                value.Append(kind switch { 'n' => '\n', 'r' => '\r', _ => '\t' });
                return true;
            case 'a' or 'b' or 'f' or 'v':
                value.Append(kind switch { 'a' => '\a', 'b' => '\b', 'f' => '\f', _ => '\v' });
                return false;
            case '\n':
                return false;
            case '\r':
                if (position < text.Length && text[position] == '\n')
                    position++;
                return false;
            case >= '0' and <= '7':
                Octal(value, kind);
                return false;
            case 'x' or 'u' or 'U':
                Hexadecimal(value, kind switch { 'x' => 2, 'u' => 4, _ => 8 }, at);
                return true;
            case 'N':
                throw new PythonLiteralException("expected an escape that Python's repr writes, found another", at);
            default:
                // Python warns and keeps both
                value.Append('\\').Append(kind);
                return false;
        }
    }

    void Octal(StringBuilder value, char first)
    {
        int found = first - '0';
        for (int digits = 1; digits < 3 && position < text.Length && text[position] is >= '0' and <= '7'; digits++)
            found = (found * 8) + (text[position++] - '0');
        value.Append((char)found);
    }

    void Hexadecimal(StringBuilder value, int digits, int at)
    {
        uint found = 0;
        for (; digits > 0; digits--, position++)
        {
            if (position == text.Length || !char.IsAsciiHexDigit(text[position]))
                throw Unexpected("a hexadecimal digit of an escape");
            found = (found * 16) + (uint)Convert.ToInt32(text[position].ToString(), 16);
        }
        if (found > 0x10ffff)
            throw new PythonLiteralException("expected an escape of at most U+10FFFF, found a larger one", at);
        if (found > char.MaxValue)
            value.Append(char.ConvertFromUtf32((int)found));
        else
            value.Append((char)found);
    }

    /// <summary>The same value in printable ASCII.</summary>
    static string Repr(string value)
    {
        var made = new StringBuilder(value.Length + 2).Append('\'');
        for (int i = 0; i < value.Length; i++)
        {
            char next = value[i];
            if (next is >= ' ' and <= '~' and not '\'' and not '\\')
                made.Append(next);
            else if (next <= '\u00ff')
                made.Append(CultureInfo.InvariantCulture, $"\\x{(int)next:x2}");
            else if (char.IsHighSurrogate(next) && i + 1 < value.Length && char.IsLowSurrogate(value[i + 1]))
                made.Append(CultureInfo.InvariantCulture, $"\\U{char.ConvertToUtf32(next, value[++i]):x8}");
            else
                made.Append(CultureInfo.InvariantCulture, $"\\u{(int)next:x4}");
        }
        return made.Append('\'').ToString();
    }
}
