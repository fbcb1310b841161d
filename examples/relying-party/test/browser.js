// A browser without scripts, as small as it can be: cookies, redirects, pages that refresh themselves, and plain HTML forms.
export class Browser {
  cookies = new Map()

  /** Follows redirects until one leads to `stop`, and returns that URL with what is posted there, or the page where it ends. */
  async open(url, stop, init = {}) {
    for (let hops = 0; hops < 20; hops++) {
      if (stop && url.startsWith(stop)) return { url, posted: init.body }
      const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie: this.header() } })
      for (const line of response.headers.getSetCookie()) this.keep(line)
      const refresh = response.headers.get('refresh')?.match(/^0; url=(.*)$/)
      const location = response.headers.get('location') ?? refresh?.[1]
      if (!location) return { url, status: response.status, body: await response.text() }
      url = new URL(location, url).href
      init = {}
    }
    throw new Error('too many redirects')
  }

  /** Fills the first form of the page in and submits it with its button of that value, or its first button. */
  submit(page, fields, stop, button) {
    const form = page.body.match(/<form[^>]*>[\s\S]*?<\/form>/)[0]
    const values = new URLSearchParams()
    for (const [input] of form.matchAll(/<input[^>]*>/g)) {
      const name = attribute(input, 'name')
      const left = attribute(input, 'type') === 'checkbox' && !/\schecked\b/.test(input)
      if (name && !left) values.append(name, attribute(input, 'value') ?? '')
    }
    for (const [name, value] of Object.entries(fields)) values.set(name, value)
    const buttons = [...form.matchAll(/<button[^>]*>/g)].map(([tag]) => tag)
    const pressed = buttons.find(tag => attribute(tag, 'value') === button) ?? buttons[0]
    if (attribute(pressed, 'name')) values.set(attribute(pressed, 'name'), attribute(pressed, 'value') ?? '')
    const action = new URL(attribute(form.match(/<form[^>]*>/)[0], 'action') ?? '', page.url).href
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(page.url).origin }
    return this.open(action, stop, { method: 'POST', body: values.toString(), headers })
  }

  keep(line) {
    const [pair] = line.split(';')
    const at = pair.indexOf('=')
    if (/max-age=0/i.test(line)) this.cookies.delete(pair.slice(0, at))
    else this.cookies.set(pair.slice(0, at), pair.slice(at + 1))
  }

  header() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }
}

function attribute(tag, name) {
  const found = tag.match(new RegExp(`\\s${name}="([^"]*)"`))
  return found?.[1].replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replace(/&amp;/g, '&').replace(/&#34;|&quot;/g, '"')
}
