import { useEffect, useState } from 'react'
import { Text, View } from '@tarojs/components'
import { describe } from 'minifed-miniprogram'
import { auth } from '../../auth.js'

export default function Index() {
  const [text, setText] = useState('…')
  useEffect(() => {
    auth.login().then(
      ({ registered, profile }) => setText(registered ? `signed in as ${profile.sub}` : 'unknown'),
      error => setText(describe(error, 'en')),
    )
  }, [])
  return (
    <View>
      <Text>{text}</Text>
    </View>
  )
}
